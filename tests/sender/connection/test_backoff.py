"""Waits that grow, and differ."""

import random

from hypothesis import given
from hypothesis import strategies as st

from sender.connection.backoff import FIRST_WAIT, Backoff


def test_waits_grow_to_the_longest_and_begin_again() -> None:
    backoff = Backoff(lambda: 1.0, longest=10.0)
    assert [backoff.next_wait() for _ in range(7)] == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    backoff.reset()
    assert backoff.next_wait() == FIRST_WAIT


def test_waits_differ_but_not_below_half() -> None:
    waits = {Backoff(random.Random(seed).random).next_wait() for seed in range(100)}
    assert len(waits) > 90
    assert FIRST_WAIT / 2 <= min(waits) < max(waits) <= FIRST_WAIT


@given(st.floats(0, 0.999), st.floats(0, 3600), st.integers(0, 5000))
def test_what_the_far_side_asks_for_is_kept(number: float, asked: float, failures: int) -> None:
    backoff = Backoff(lambda: number)
    for _ in range(min(failures, 50)):
        backoff.next_wait()
    assert asked <= backoff.next_wait(asked) <= asked + 60.0
