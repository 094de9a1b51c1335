"""Which packet goes next, and whether one may."""

import math
import random

import pytest

from protocol.recovery.window import MAX_WINDOW, packet_size, wait_for_room, window
from protocol.sending.scheduler import OFFER, Candidate, FairShare, choose


def candidate(
    urgency: int, image: int, section: int, fragment: int = 0, *, again: bool = False, shares: bool = False
) -> Candidate:
    """A candidate, shortly told."""
    return Candidate(
        urgency=urgency, picture_id=image, retransmit=again, incremental=shares, section=section, fragment=fragment
    )


ORDERS = {
    "urgency before newness": [candidate(0, 1, 0), candidate(2, 9, 1)],
    "newest picture first": [candidate(2, 9, 1), candidate(2, 8, 1)],
    "the offer before its data": [candidate(0, 3, OFFER), candidate(0, 3, 0)],
    "what was lost before what is new": [candidate(2, 1, 3, 7, again=True), candidate(2, 1, 1, 0)],
    "a lost text before anything": [candidate(0, 1, OFFER, again=True), candidate(2, 2, 1)],
    "sections in order": [candidate(2, 1, 1, 5), candidate(2, 1, 2, 0)],
    "fragments in order": [candidate(2, 1, 1, 1), candidate(2, 1, 1, 2)],
    "sharing ones take turns": [candidate(6, 1, 4, 0, shares=True), candidate(6, 1, 3, 1, shares=True)],
    "sharing ones come after the others": [candidate(6, 1, 4), candidate(6, 1, 3, shares=True)],
}


@pytest.mark.parametrize("expected", ORDERS.values(), ids=ORDERS.keys())
def test_order(expected: list[Candidate]) -> None:
    assert choose(expected) == expected[0]
    assert choose(reversed(expected)) == expected[0]


def test_order_is_total() -> None:
    everything = [one for pair in ORDERS.values() for one in pair]
    shuffled = random.Random(0).sample(everything, len(everything))
    assert choose(everything) == choose(shuffled)


def test_nothing_to_choose() -> None:
    assert choose([]) is None


@pytest.mark.parametrize(
    ("rate", "mtu", "size"), [(2400, 1400, 75), (9600, 1400, 300), (1e6, 1400, 1400), (9600, 115, 115), (80, 32, 32)]
)
def test_packet_size(rate: float, mtu: int, size: int) -> None:
    assert packet_size(rate, mtu) == size
    assert size <= max(64, rate / 8 * 0.25)


@pytest.mark.parametrize(
    ("rate", "mtu", "picture", "size"),
    [
        (9600, 1400, 100_000, 1200),
        (9600, 1400, 12_000, 857),
        (9600, 1400, 3400, 300),
        (2400, 1400, 100_000, 300),
        (2400, 1400, 3400, 242),
        (48_000, 1400, 100_000, 1400),
        (9600, 115, 100_000, 115),
        (80, 1400, 100_000, 64),
    ],
)
def test_where_packets_cost_headers_those_of_large_pictures_are_longer(
    rate: float, mtu: int, picture: int, size: int
) -> None:
    assert packet_size(rate, mtu, 140, picture) == size
    assert packet_size(rate, mtu, 0, picture) == packet_size(rate, mtu) <= packet_size(rate, mtu, 40, picture) <= size


@pytest.mark.parametrize(
    ("rate", "round_trip", "packet", "bytes_"), [(2400, 2.0, 64, 814), (2400, 0.0, 64, 64), (0, 9.0, 64, 64)]
)
def test_window(rate: float, round_trip: float, packet: int, bytes_: int) -> None:
    assert window(rate, round_trip, packet) == bytes_


@pytest.mark.parametrize(
    ("unacknowledged", "size", "wait"),
    [
        (0, 1400, 0.0),
        (50, 50, 0.0),
        (60, 50, 0.01),
        (50, 1400, 0.05),
        (150, 50, 0.1),
        (151, 50, math.inf),
        (101, 1400, math.inf),
    ],
)
def test_room(unacknowledged: int, size: int, wait: float) -> None:
    """Up to 100 bytes on their way; between ACKs 1,000 bytes a second arrive, for a tenth of a second at most."""
    assert wait_for_room(unacknowledged, size, 100, rate=8000, allowance=100) == wait


def served(seconds: float, *waiting: Candidate) -> dict[int, int]:
    """Bytes that each urgency gets on a link of 300 bytes/s that is never idle, in packets of 60."""
    share, bytes_ = FairShare(), dict[int, int]()
    for turn in range(int(seconds * 5)):
        chosen = share.choose(waiting, turn / 5)
        assert chosen is not None
        assert share.choose(waiting, turn / 5) == chosen
        share.on_packet_sent(chosen, 60, turn / 5)
        bytes_[chosen.urgency] = bytes_.get(chosen.urgency, 0) + 60
    return bytes_


def test_the_least_urgent_does_not_starve() -> None:
    got = served(1000.0, candidate(0, 1, 0), candidate(3, 1, 1), candidate(6, 1, 2))
    assert 3 not in got
    assert got[6] == pytest.approx(0.05 * 300 * 990, rel=0.02)


def test_nobody_starves_in_ten_seconds() -> None:
    assert served(9.9, candidate(0, 1, 0), candidate(6, 1, 2)) == {0: 49 * 60}


def test_a_share_is_not_saved_up() -> None:
    """After a long time of urgent packets alone, what comes then waits its ten seconds, too."""
    share = FairShare()
    for turn in range(500):
        share.on_packet_sent(candidate(0, 1, 0), 60, turn / 5)
    waiting = [candidate(0, 1, 0), candidate(6, 1, 1)]
    first = share.choose(waiting, 100.0)
    assert first is not None
    assert first.urgency == 0
    late = [share.choose(waiting, 110.0)]
    share.on_packet_sent(late[0] or first, 60, 110.0)
    late.append(share.choose(waiting, 110.0))
    assert [one.urgency for one in late if one] == [6, 0]


def test_one_urgency_alone_pays_nothing() -> None:
    assert served(100.0, candidate(6, 1, 0)) == {6: 500 * 60}


def test_the_window_has_an_end() -> None:
    assert window(1e12, 9.0, 1400) == MAX_WINDOW
