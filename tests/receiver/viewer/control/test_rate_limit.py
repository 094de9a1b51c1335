from receiver.viewer.control.rate_limit import CROWD, RateLimit


def test_a_burst_and_then_the_rate() -> None:
    now = 0.0
    limit = RateLimit(60, 3, clock=lambda: now)
    assert [limit.take("192.0.2.1") for _ in range(4)] == [0, 0, 0, 1.0]
    now = 0.5
    assert limit.take("192.0.2.1") == 0.5
    # One that waits too briefly is not punished for it.
    now = 1.0
    assert limit.take("192.0.2.1") == 0
    assert limit.take("192.0.2.2") == 0


def test_many_addresses_share_a_limit() -> None:
    limit = RateLimit(60, 1, clock=lambda: 0.0)
    taken = [limit.take(f"192.0.2.{number}") for number in range(CROWD + 1)]
    assert taken[:CROWD] == [0.0] * CROWD
    assert taken[CROWD] > 0
