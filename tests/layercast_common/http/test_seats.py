from layercast_common.http.seats import Seats


def test_seats_are_limited_in_all_and_per_address() -> None:
    seats = Seats(3, 2)
    first, second = seats.take("192.0.2.1"), seats.take("::ffff:192.0.2.1")
    assert first is not None
    assert second is not None
    assert seats.take("192.0.2.1") is None
    assert seats.take("2001:db8::1") is not None
    assert seats.take("2001:db8::2") is None
    first.free()
    first.free()
    assert seats.taken == 2
    assert seats.take("192.0.2.1") is not None
