"""Which packet goes next, and whether one may."""

import random

import pytest

from protocol.scheduler import OFFER, Candidate, admits, choose, packet_size, window


def candidate(
    urgency: int, image: int, section: int, fragment: int = 0, *, again: bool = False, shares: bool = False
) -> Candidate:
    """A candidate, shortly told."""
    return Candidate(
        urgency=urgency, image=image, retransmit=again, incremental=shares, section=section, fragment=fragment
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
    ("rate", "round_trip", "packet", "bytes_"), [(2400, 2.0, 64, 814), (2400, 0.0, 64, 128), (0, 9.0, 64, 128)]
)
def test_window(rate: float, round_trip: float, packet: int, bytes_: int) -> None:
    assert window(rate, round_trip, packet) == bytes_


def test_one_packet_always_may_leave() -> None:
    assert admits(0, 1400, 100)
    assert admits(50, 50, 100)
    assert not admits(51, 50, 100)
