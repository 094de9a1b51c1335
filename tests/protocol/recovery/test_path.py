"""How much may be on its way over a link."""

import math

import pytest

from protocol.recovery.loss_detection import PacketContent
from protocol.recovery.path import NetworkPath, PathOptions
from protocol.recovery.window import HEADROOM
from protocol.wire.packets import Ack


def uplink(rate: float = 8000, *, round_trip: float = 0.1, overhead: int = 0, one_way: bool = False) -> NetworkPath:
    """A link of 1,000 bytes a second, in packets of 250, if nothing else is told."""
    made = NetworkPath(PathOptions(rate=rate, mtu=1400, overhead=overhead, one_way=one_way), check=4)
    made.rtt.update(round_trip, 0.0)
    return made


def send(link: NetworkPath, size: int, now: float) -> None:
    """Let a packet leave that has others behind it."""
    link.on_packet_sent(size, now, PacketContent(picture_id=1, section=0, fragment=0), queue_behind=True)


def test_between_two_acks_the_link_goes_on() -> None:
    link = uplink()
    assert link.send_time(250, 250, 0, 10.0) <= 10.0
    send(link, 250, 10.0)
    # A quarter of a second later it is gone; the way there and back is used, too, and somewhat more.
    assert link.send_time(250, 250, 0, 10.0) == pytest.approx(10.0 + 0.25 - 1.25 * 0.1)
    send(link, 250, 10.125)
    link.loss_detector.on_ack_received(Ack(largest=1, delay=0), 10.35)
    assert link.send_time(250, 250, 0, 10.35) == pytest.approx(10.35 + 0.25 - 1.25 * 0.1, abs=0.01)


def test_an_ack_that_was_held_back_counts_from_when_its_packet_came() -> None:
    prompt, late = uplink(), uplink()
    for link, delay in ((prompt, 0), (late, 200)):
        send(link, 250, 10.0)
        send(link, 250, 10.2)
        link.loss_detector.on_ack_received(Ack(largest=1, delay=delay), 10.35 + delay / 1000)
    assert late.send_time(250, 250, 0, 10.55) == pytest.approx(prompt.send_time(250, 250, 0, 10.55))


def test_unheard_only_so_much_leaves() -> None:
    link, now = uplink(), 10.0
    while (now := max(now, link.send_time(250, 250, 0, now))) < math.inf:
        assert link.loss_detector.bytes_in_flight <= link.window
        send(link, 250, now)
    assert 6 * 250 < link.loss_detector.bytes_in_flight <= link.window < 12 * 250


def test_what_the_transport_still_holds_is_waited_for() -> None:
    """Whatever time says: the link stands still."""
    link = uplink()
    send(link, 250, 10.0)
    assert link.send_time(250, 250, 250, 12.0) <= 12.0
    assert 12.0 < link.send_time(250, 250, 500, 12.0) < 12.1


def test_a_faster_speed_is_tried_only_where_packets_do_not_wait_for_each_other() -> None:
    """A link was told to be twice as fast as it is: once that is known, and packets queue, it gets what it carries."""
    rooms = []
    for round_trip in (0.3, 0.8):
        link = uplink(16_000)
        link.pacer.on_rate_sample(8000, 0.0, 0.1, saturated=True)
        link.pacer.on_rate_sample(8000, 9.0, 0.1, saturated=True)
        send(link, 250, 10.0)
        send(link, 250, 10.0)
        send(link, 250, 10.0)
        link.loss_detector.on_ack_received(Ack(largest=1, delay=0), 10.0 + round_trip)
        rooms.append(link.send_time(250, 250, 0, 11.0) - link.loss_detector.last_ack_at)
    tried, queued = rooms
    assert queued == pytest.approx(HEADROOM * tried)


def test_long_packets_that_were_not_heard_of_do_not_hold_up_a_short_one() -> None:
    link = uplink()
    for turn in range(5):
        send(link, 1400, 10.0 + 1.4 * turn)
    assert link.send_time(100, 250, 0, 15.6) == pytest.approx(10.0 + 5 * 1.4 - 0.15 - 1.25 * 0.1)
    assert link.send_time(100, 250, 1400, 17.0) <= 17.0


def test_packets_of_a_large_picture_are_longer_on_a_link_that_is_known() -> None:
    assert uplink(overhead=140).packet_sizes(12_000).target == 857
    assert uplink(overhead=140).packet_size == uplink().packet_sizes(12_000).target == 250
    assert uplink(0, overhead=140).packet_sizes(12_000).target == 500


def test_nothing_is_taken_for_granted_of_a_link_that_is_not_known() -> None:
    """Its rate is only assumed, so time alone makes no room; there is enough for a receiver to answer."""
    link = uplink(0, round_trip=0.001)
    for _ in range(6):
        assert link.send_time(500, 500, 0, 10.0) <= 10.0
        send(link, 500, 10.0)
    assert link.send_time(500, 500, 0, 10.0) == math.inf


def test_a_broadcast_waits_for_nobody() -> None:
    link = uplink(one_way=True)
    for _ in range(9):
        send(link, 250, 10.0)
    assert link.send_time(1400, 250, 0, 10.0) == -math.inf
