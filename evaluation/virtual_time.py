"""An event loop whose clock leaps: nothing is waited for, and hours of a slow link pass in a moment.

When nothing is ready the clock jumps to the next timer. When there is no timer either, the program waits for itself,
and that is an error instead of a hang. Only for programs that do no real I/O.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class DeadlockError(RuntimeError):
    """Every task waits, and nothing will ever happen."""


class _LeapingSelector(selectors.SelectSelector):
    """Says at once that nothing happened, and how long nothing happened for."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise DeadlockError("every task waits, and no timer is set")
            self.passed += timeout
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """The event loop; its time begins at 0."""

    def __init__(self) -> None:
        self._leaping = _LeapingSelector()
        super().__init__(self._leaping)

    def time(self) -> float:
        """The virtual time, in seconds."""
        return self._leaping.passed

    @property
    def timers(self) -> int:
        """Timers that are set and not cancelled."""
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        return sum(not timer.cancelled() for timer in scheduled)


def run_virtual(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine in virtual time, like `asyncio.run`.

    Raises:
        DeadlockError: it waits for what never comes.
    """
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
