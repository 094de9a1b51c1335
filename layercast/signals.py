"""Ends commands that run an event loop cleanly on SIGTERM."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any, TypeVar

from layercast_common.stopping.handlers import Terminated, be_patient, default_interrupts, end_if_importing, note_stop
from layercast_common.stopping.timing import REPEAT
from layercast_common.tasks import start_task

_Result = TypeVar("_Result")

#: How long a command may take to finish its work in progress after SIGTERM, in seconds.
DRAIN_SECONDS = 15.0


class DrainRequest(asyncio.Event):
    """Set by SIGTERM: finish what is in progress, and return.

    Args:
        limit: how long finishing may take, in seconds.
    """

    def __init__(self, limit: float) -> None:
        super().__init__()
        self._limit = limit
        self._worth_waiting = False

    @property
    def worth_waiting(self) -> bool:
        """Whether anything is in progress; until then SIGTERM ends the command at once."""
        return self._worth_waiting

    @worth_waiting.setter
    def worth_waiting(self, value: bool) -> None:
        self._worth_waiting = value
        be_patient(self._limit if value else 0.0)


def run_loop(work: Coroutine[Any, Any, None]) -> None:
    """Run `work` in an event loop; Ctrl-C cancels it."""
    with default_interrupts():
        asyncio.run(work)


def run_async(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Run `work` in an event loop. SIGTERM cancels it, as Ctrl-C does.

    Raises:
        Terminated: SIGTERM came.
        KeyboardInterrupt: Ctrl-C came.
    """
    results = list[_Result]()

    async def run() -> None:
        results.append(await work)

    run_loop(run_until_terminated(run()))
    if not results:
        raise Terminated
    return results[0]


async def run_until_terminated(work: Coroutine[Any, Any, object]) -> None:
    """Run `work`. SIGTERM cancels it without an error; Ctrl-C is left to `asyncio.run`."""

    async def ignore_draining(_: DrainRequest) -> None:
        await work

    await run_until_drained(ignore_draining, limit=0.0)


async def run_until_drained(work: Callable[[DrainRequest], Coroutine[Any, Any, None]], *, limit: float) -> None:
    """Run `work`; SIGTERM sets its event, after which it should finish what is in progress and return.

    Args:
        work: the function to run; its argument is the request; it sets `worth_waiting` once it has started.
        limit: how long finishing may take, in seconds. Then, or at a second SIGTERM, `work` is cancelled without an
            error.
    """
    draining = DrainRequest(limit)
    task = start_task(work(draining), name="command")
    terminated = False
    last: float | None = None

    def cancel() -> None:
        nonlocal terminated
        terminated = True
        task.cancel()

    def on_sigterm() -> None:
        nonlocal last
        if last is not None and loop.time() - last < REPEAT:
            return
        last = loop.time()
        note_stop()
        if draining.is_set() or limit <= 0 or not draining.worth_waiting:
            cancel()
        else:
            draining.set()
            loop.call_later(limit, cancel)

    def on_signal(number: int, frame: FrameType | None) -> None:
        if not draining.worth_waiting:
            end_if_importing(number, frame)
        loop.call_soon_threadsafe(on_sigterm)

    loop = asyncio.get_running_loop()
    # Not add_signal_handler: it would take away the pipe through which the watchdog learns of signals.
    previous = None
    with contextlib.suppress(ValueError):
        # Other threads cannot set handlers.
        previous = signal.signal(signal.SIGTERM, on_signal)
    try:
        await task
    except asyncio.CancelledError:
        if not terminated:
            raise
    finally:
        be_patient(0.0)
        if previous is not None:
            signal.signal(signal.SIGTERM, previous)
