"""How programs that run until they are told to stop are told."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine
from typing import Any


async def run_until_terminated(work: Coroutine[Any, Any, None]) -> None:
    """Run `work`; SIGTERM ends it early, cleanly and without an error. Ctrl-C is left to `asyncio.run`."""

    async def plain(_: asyncio.Event) -> None:
        await work

    await run_until_drained(plain, limit=0.0)


async def run_until_drained(work: Callable[[asyncio.Event], Coroutine[Any, Any, None]], *, limit: float) -> None:
    """Run `work`, which is to finish what is under way once its event is set: SIGTERM sets it.

    Args:
        work: what to do.
        limit: how long finishing may take, in seconds; then, or at the next SIGTERM, it is cancelled without an error.
    """
    leaving = asyncio.Event()
    task = asyncio.ensure_future(work(leaving))
    terminated = False

    def cut() -> None:
        nonlocal terminated
        terminated = True
        task.cancel()

    def terminate() -> None:
        if leaving.is_set() or limit <= 0:
            cut()
        else:
            leaving.set()
            loop.call_later(limit, cut)

    loop = asyncio.get_running_loop()
    # Windows has no such signal.
    with contextlib.suppress(NotImplementedError):
        loop.add_signal_handler(signal.SIGTERM, terminate)
    try:
        await task
    except asyncio.CancelledError:
        if not terminated:
            raise
