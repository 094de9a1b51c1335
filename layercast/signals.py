"""Ends long-running commands cleanly on SIGTERM."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine
from typing import Any

from layercast_common.tasks import start_task

#: How long a command may take to finish its work in progress after SIGTERM, in seconds.
DRAIN_SECONDS = 15.0


class DrainRequest(asyncio.Event):
    """Set by SIGTERM: finish what is in progress, and return.

    Attributes:
        worth_waiting: whether anything is in progress; until then SIGTERM ends the command at once.
    """

    worth_waiting: bool = False


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
    draining = DrainRequest()
    task = start_task(work(draining), name="command")
    terminated = False

    def cancel() -> None:
        nonlocal terminated
        terminated = True
        task.cancel()

    def on_sigterm() -> None:
        if draining.is_set() or limit <= 0 or not draining.worth_waiting:
            cancel()
        else:
            draining.set()
            loop.call_later(limit, cancel)

    loop = asyncio.get_running_loop()
    # Windows does not support signal handlers.
    with contextlib.suppress(NotImplementedError):
        loop.add_signal_handler(signal.SIGTERM, on_sigterm)
    try:
        await task
    except asyncio.CancelledError:
        if not terminated:
            raise
