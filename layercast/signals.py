"""How programs that run until they are told to stop are told."""

import asyncio
import contextlib
import signal
from collections.abc import Coroutine
from typing import Any


async def run_until_terminated(work: Coroutine[Any, Any, None]) -> None:
    """Run `work`; SIGTERM ends it early, cleanly and without an error. Ctrl-C is left to `asyncio.run`."""
    task = asyncio.create_task(work)
    terminated = False

    def terminate() -> None:
        nonlocal terminated
        terminated = True
        task.cancel()

    # Windows has no such signal.
    with contextlib.suppress(NotImplementedError):
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminate)
    try:
        await task
    except asyncio.CancelledError:
        if not terminated:
            raise
