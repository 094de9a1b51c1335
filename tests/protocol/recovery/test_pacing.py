"""What the link is taken to be like."""

import operator

import pytest

from protocol.recovery.pacing import ASSUMED_RATE, MIN_RATE, Pacer, RttEstimator, WindowedFilter


def test_recent_keeps_the_best_until_it_is_old() -> None:
    recent = WindowedFilter(operator.lt)
    for now, value in enumerate([3.0, 1.0, 2.0, 5.0]):
        recent.add(value, now, seconds=1.5)
    assert recent.best == 2.0
    recent.add(9.0, 100.0, seconds=2.0)
    assert recent.best == 9.0


def test_round_trip_is_the_least_and_the_mean() -> None:
    trip = RttEstimator(1.0)
    assert trip.minimum == trip.smoothed == 1.0
    trip.update(2.0, 0.0)
    assert (trip.minimum, trip.smoothed, trip.probe_timeout) == (2.0, 2.0, 6.0)
    trip.update(4.0, 1.0)
    assert (trip.minimum, trip.smoothed, trip.latest) == (2.0, 2.25, 4.0)


def test_a_rate_that_is_configured_later_replaces_what_was_measured() -> None:
    pace = Pacer(2400)
    pace.on_rate_sample(1200, 0.0, 1.0, saturated=True)
    pace.on_packet_sent(300, 0.0)
    pace.configure(96_000)
    assert (pace.rate, pace.rate_known) == (96_000, True)
    assert pace.next_send_at < 0
    pace.configure(0)
    assert (pace.rate, pace.rate_known) == (ASSUMED_RATE, False)


def test_a_told_rate_is_never_exceeded() -> None:
    pace = Pacer(2400)
    pace.on_rate_sample(9600, 0.0, 1.0, saturated=True)
    assert pace.rate == 2400
    pace.on_packet_sent(300, 10.0)
    assert pace.next_send_at == pytest.approx(11.0, abs=0.01)


def test_a_slower_link_than_told_is_found_out() -> None:
    pace = Pacer(9600)
    for now in range(30):
        pace.on_rate_sample(2400, float(now), 1.0, saturated=True)
    assert pace.rate == 2400


def test_a_link_that_we_left_idle_is_not_taken_to_be_slow() -> None:
    pace = Pacer(9600)
    for now in range(30):
        pace.on_rate_sample(100, float(now), 1.0, saturated=False)
    assert pace.rate == 9600


def test_an_unknown_rate_is_measured() -> None:
    pace = Pacer(0)
    assert pace.rate == ASSUMED_RATE
    pace.on_packet_sent(10_000, 0.0)
    assert pace.next_send_at < 0
    pace.on_rate_sample(1e6, 0.0, 0.1, saturated=True)
    assert pace.rate == 1e6
    pace.on_packet_sent(1250, 1.0)
    assert pace.next_send_at == pytest.approx(1.0 + 0.008, abs=0.01)


def test_no_rate_is_nothing() -> None:
    pace = Pacer(0)
    pace.on_rate_sample(0.001, 0.0, 1.0, saturated=True)
    assert pace.rate == MIN_RATE
