"""Waits between attempts to connect: exponential backoff with jitter."""

from collections.abc import Callable

#: The first wait and the longest, in seconds; each is twice the one before.
FIRST_WAIT = 0.5
LONGEST_WAIT = 60.0


class Backoff:
    """Exponential waits with jitter, so that many senders do not reconnect at the same moment.

    Args:
        random: returns numbers from 0 to below 1.
        longest: the longest wait, in seconds.
    """

    def __init__(self, random: Callable[[], float], *, longest: float = LONGEST_WAIT) -> None:
        self._random = random
        self._longest = longest
        self._failures = 0

    def next_wait(self, at_least: float = 0.0) -> float:
        """Return the wait after one more failure, in seconds: 50 to 100 % of the current step.

        Args:
            at_least: the wait that the peer asked for, in seconds; jitter is added to it.
        """
        step = min(self._longest, FIRST_WAIT * 2.0 ** min(self._failures, 32))
        self._failures += 1
        wait = step * (0.5 + self._random() / 2)
        return wait if not at_least else at_least + wait

    def reset(self) -> None:
        """Start again with the first wait, after a success."""
        self._failures = 0
