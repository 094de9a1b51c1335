"""The bitmap of what arrived, against a plain set."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.recovery.ack_ranges import ReceivedPackets, acknowledged
from protocol.wire.limits import ACK_SPAN


@given(st.lists(st.integers(1, 100), min_size=1, max_size=200))
def test_against_a_set(numbers: list[int]) -> None:
    arrivals, known = ReceivedPackets(), set[int]()
    for number in numbers:
        largest = max(known, default=0)
        assert arrivals.has(number) == (number in known or number < largest - ACK_SPAN)
        if arrivals.has(number):
            continue
        assert arrivals.add(number) == (number == largest + 1)
        known.add(number)
        told = acknowledged(arrivals.largest, arrivals.missing)
        assert set(told) == {one for one in known if one >= max(known) - ACK_SPAN}
        assert told == sorted(told, reverse=True)
        assert arrivals.missing < 2**ACK_SPAN


@pytest.mark.parametrize(
    ("numbers", "missing"),
    [([1, 2, 3], 0), ([3], 0b11), ([1, 3], 0b1), ([1, 3, 2], 0), ([1, 4], 0b11), ([1, 100], 2**32 - 1)],
)
def test_missing(numbers: list[int], missing: int) -> None:
    arrivals = ReceivedPackets()
    for number in numbers:
        arrivals.add(number)
    assert arrivals.missing == missing
