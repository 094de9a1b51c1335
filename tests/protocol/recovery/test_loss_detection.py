"""What is in flight, and what is lost."""

import itertools

import pytest

from layercast_common.errors import RemoteProtocolError
from protocol.recovery.loss_detection import LATE_PACKETS, MAX_PROBE_TIMEOUT, LossDetector, PacketContent
from protocol.recovery.pacing import Pacer, RttEstimator
from protocol.wire.packets import Ack


def ledger(*, reliable: bool = False, sent: int = 0) -> LossDetector:
    """A ledger with packets of 100 bytes, one every 10 ms; packet n carries fragment n."""
    made = LossDetector(reliable=reliable, rtt=RttEstimator(1.0), pacer=Pacer(80_000))
    for number in range(1, sent + 1):
        made.on_packet_sent(
            100, number / 100, PacketContent(picture_id=1, section=0, fragment=number), queue_behind=True
        )
    return made


def ack(largest: int, missing: int = 0) -> Ack:
    """An ACK without delay."""
    return Ack(largest=largest, delay=0, missing=missing, done=())


def test_flight() -> None:
    made = ledger(sent=4)
    assert (made.bytes_in_flight, made.next_number) == (400, 5)
    assert [sent.content.fragment for sent in made.on_ack_received(ack(3, missing=0b1), 0.2)] == [3, 1]
    assert made.bytes_in_flight == 200
    assert made.on_ack_received(ack(3, missing=0b1), 0.3) == []
    assert made.bytes_in_flight == 200


def test_three_later_packets_tell_of_a_loss() -> None:
    made = ledger(sent=5)
    made.on_ack_received(ack(3, missing=0b10), 1.0)
    assert made.detect_lost_packets(1.0) == []
    made.on_ack_received(ack(4, missing=0b100), 1.0)
    assert [sent.content.fragment for sent in made.detect_lost_packets(1.0)] == [1]
    assert made.detect_lost_packets(1.0) == []
    assert made.bytes_in_flight == 100


def test_one_later_packet_and_time_tell_of_a_loss() -> None:
    made = ledger(sent=2)
    made.on_ack_received(ack(2, missing=0b1), 1.02)
    due = made.next_timer()
    assert due is not None
    assert due == pytest.approx(0.01 + 1.25)
    assert made.detect_lost_packets(due - 0.001) == []
    assert [sent.content.fragment for sent in made.detect_lost_packets(due)] == [1]


def test_silence_asks_again_ever_more_slowly() -> None:
    made = ledger(sent=20)
    asked: list[float] = []
    for _ in range(8):
        due = made.next_timer()
        assert due is not None
        assert [sent.content.fragment for sent in made.detect_lost_packets(due)] == [len(asked) + 1]
        asked.append(due)
    waits = [late - early for early, late in itertools.pairwise(asked)]
    assert waits == sorted(waits)
    assert waits[-1] == pytest.approx(MAX_PROBE_TIMEOUT)
    assert waits[1] == pytest.approx(2 * waits[0])


def test_a_late_packet_is_recognised() -> None:
    made = ledger(sent=5)
    made.on_ack_received(ack(5, missing=0b1000), 0.1)
    assert [sent.content.fragment for sent in made.detect_lost_packets(0.1)] == [1]
    assert [sent.content.fragment for sent in made.on_ack_received(ack(5), 0.2)] == [1]
    assert made.bytes_in_flight == 0


def test_memory_of_lost_packets_is_bounded() -> None:
    made = ledger()
    for _ in range(3 * LATE_PACKETS):
        made.on_packet_sent(100, 0.0, PacketContent(picture_id=1, section=0, fragment=0), queue_behind=True)
        due = made.next_timer()
        assert due is not None
        made.detect_lost_packets(due + MAX_PROBE_TIMEOUT)
    assert len(made._late) == LATE_PACKETS


def test_a_reliable_link_loses_nothing() -> None:
    made = ledger(reliable=True, sent=9)
    made.on_ack_received(ack(9, missing=0b11), 0.1)
    assert made.next_timer() is None
    assert made.detect_lost_packets(1e9) == []
    assert made.bytes_in_flight == 200


def test_an_ack_for_the_future_is_an_error() -> None:
    with pytest.raises(RemoteProtocolError, match="never sent"):
        ledger(sent=2).on_ack_received(ack(3), 1.0)


def test_round_trip_leaves_out_the_receivers_delay() -> None:
    trip = RttEstimator(9.0)
    made = LossDetector(reliable=True, rtt=trip, pacer=Pacer(0))
    made.on_packet_sent(100, 1.0, PacketContent(picture_id=1, section=0, fragment=0), queue_behind=False)
    made.on_ack_received(Ack(largest=1, delay=250, missing=0, done=()), 1.5)
    assert trip.minimum == 0.25
    made.on_packet_sent(100, 2.0, PacketContent(picture_id=1, section=0, fragment=0), queue_behind=False)
    made.on_ack_received(Ack(largest=2, delay=65_000, missing=0, done=()), 2.1)
    assert trip.minimum == pytest.approx(0.1)


def test_the_rate_is_measured_from_a_busy_link() -> None:
    pace = Pacer(0)
    made = LossDetector(reliable=True, rtt=RttEstimator(1.0), pacer=pace)
    # A link of 8 kbit/s and 0.2 s: a packet of 100 bytes arrives every 0.1 s, and three are in flight.
    sent_at = [0.0, 0.0, 0.0] + [0.3 + 0.1 * place for place in range(20)]
    happenings = [(at, 0, number) for number, at in enumerate(sent_at, 1)]
    happenings += [(0.3 + 0.1 * place, -1, place + 1) for place in range(20)]
    for now, is_ack, number in sorted(happenings):
        if is_ack:
            made.on_ack_received(ack(number), now)
        else:
            made.on_packet_sent(100, now, PacketContent(picture_id=1, section=0, fragment=0), queue_behind=True)
    assert pace._measured.best is not None
    assert pace._measured.best == pytest.approx(8000, rel=0.05)
