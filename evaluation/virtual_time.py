"""An event loop with a virtual clock: it never waits, and simulates hours of a slow link in a moment.

If no task is ready the clock jumps to the next timer. If there is no timer either, the program is deadlocked, and the
loop raises an error instead of hanging. Only for programs without real I/O.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class DeadlockError(RuntimeError):
    """Every task waits, and no timer is set."""


class _VirtualSelector(selectors.SelectSelector):
    """A selector that returns at once and adds the timeout to the virtual clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise DeadlockError("every task waits, and no timer is set")
            self.now += timeout
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time, which starts at 0."""

    def __init__(self) -> None:
        self._selector_clock = _VirtualSelector()
        super().__init__(self._selector_clock)

    def time(self) -> float:
        """The virtual time, in seconds."""
        return self._selector_clock.now

    @property
    def timers(self) -> int:
        """Number of timers that are set and not cancelled."""
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        return sum(not timer.cancelled() for timer in scheduled)


def run_virtual(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine in virtual time, like `asyncio.run`.

    Raises:
        DeadlockError: every task waits, and no timer is set.
    """
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
