"""What is in flight, and what is lost."""

import itertools

import pytest

from layercast_common.errors import RemoteProtocolError
from protocol.recovery.loss_detection import LATE_PACKETS, LONGEST_WAIT, LossDetector
from protocol.recovery.pacing import Pacer, RttEstimator
from protocol.wire.packets import Ack


def ledger(*, reliable: bool = False, sent: int = 0) -> LossDetector:
    """A ledger with packets of 100 bytes, one every 10 ms; packet n carries fragment n."""
    made = LossDetector(reliable=reliable, round_trip=RttEstimator(1.0), pace=Pacer(80_000))
    for number in range(1, sent + 1):
        made.send(100, number / 100, image=1, section=0, fragment=number, more=True)
    return made


def ack(largest: int, missing: int = 0) -> Ack:
    """An ACK without delay."""
    return Ack(largest=largest, delay=0, missing=missing, done=())


def test_flight() -> None:
    made = ledger(sent=4)
    assert (made.in_flight, made.next_number) == (400, 5)
    assert [sent.fragment for sent in made.acknowledge(ack(3, missing=0b1), 0.2)] == [3, 1]
    assert made.in_flight == 200
    assert made.acknowledge(ack(3, missing=0b1), 0.3) == []
    assert made.in_flight == 200


def test_three_later_packets_tell_of_a_loss() -> None:
    made = ledger(sent=5)
    made.acknowledge(ack(3, missing=0b10), 1.0)
    assert made.lost(1.0) == []
    made.acknowledge(ack(4, missing=0b100), 1.0)
    assert [sent.fragment for sent in made.lost(1.0)] == [1]
    assert made.lost(1.0) == []
    assert made.in_flight == 100


def test_one_later_packet_and_time_tell_of_a_loss() -> None:
    made = ledger(sent=2)
    made.acknowledge(ack(2, missing=0b1), 1.02)
    due = made.next_timer()
    assert due is not None
    assert due == pytest.approx(0.01 + 1.25)
    assert made.lost(due - 0.001) == []
    assert [sent.fragment for sent in made.lost(due)] == [1]


def test_silence_asks_again_ever_more_slowly() -> None:
    made = ledger(sent=20)
    asked: list[float] = []
    for _ in range(8):
        due = made.next_timer()
        assert due is not None
        assert [sent.fragment for sent in made.lost(due)] == [len(asked) + 1]
        asked.append(due)
    waits = [late - early for early, late in itertools.pairwise(asked)]
    assert waits == sorted(waits)
    assert waits[-1] == pytest.approx(LONGEST_WAIT)
    assert waits[1] == pytest.approx(2 * waits[0])


def test_a_late_packet_is_recognised() -> None:
    made = ledger(sent=5)
    made.acknowledge(ack(5, missing=0b1000), 0.1)
    assert [sent.fragment for sent in made.lost(0.1)] == [1]
    assert [sent.fragment for sent in made.acknowledge(ack(5), 0.2)] == [1]
    assert made.in_flight == 0


def test_memory_of_lost_packets_is_bounded() -> None:
    made = ledger()
    for _ in range(3 * LATE_PACKETS):
        made.send(100, 0.0, image=1, section=0, fragment=0, more=True)
        due = made.next_timer()
        assert due is not None
        made.lost(due + LONGEST_WAIT)
    assert len(made._late) == LATE_PACKETS


def test_a_reliable_link_loses_nothing() -> None:
    made = ledger(reliable=True, sent=9)
    made.acknowledge(ack(9, missing=0b11), 0.1)
    assert made.next_timer() is None
    assert made.lost(1e9) == []
    assert made.in_flight == 200


def test_an_ack_for_the_future_is_an_error() -> None:
    with pytest.raises(RemoteProtocolError, match="never sent"):
        ledger(sent=2).acknowledge(ack(3), 1.0)


def test_round_trip_leaves_out_the_receivers_delay() -> None:
    trip = RttEstimator(9.0)
    made = LossDetector(reliable=True, round_trip=trip, pace=Pacer(0))
    made.send(100, 1.0, image=1, section=0, fragment=0, more=False)
    made.acknowledge(Ack(largest=1, delay=250, missing=0, done=()), 1.5)
    assert trip.least == 0.25
    made.send(100, 2.0, image=1, section=0, fragment=0, more=False)
    made.acknowledge(Ack(largest=2, delay=65_000, missing=0, done=()), 2.1)
    assert trip.least == pytest.approx(0.1)


def test_the_rate_is_measured_from_a_busy_link() -> None:
    pace = Pacer(0)
    made = LossDetector(reliable=True, round_trip=RttEstimator(1.0), pace=pace)
    # A link of 8 kbit/s and 0.2 s: a packet of 100 bytes arrives every 0.1 s, and three are in flight.
    sent_at = [0.0, 0.0, 0.0] + [0.3 + 0.1 * place for place in range(20)]
    happenings = [(at, 0, number) for number, at in enumerate(sent_at, 1)]
    happenings += [(0.3 + 0.1 * place, -1, place + 1) for place in range(20)]
    for now, is_ack, number in sorted(happenings):
        if is_ack:
            made.acknowledge(ack(number), now)
        else:
            made.send(100, now, image=1, section=0, fragment=0, more=True)
    assert pace._measured.best is not None
    assert pace._measured.best == pytest.approx(8000, rel=0.05)
