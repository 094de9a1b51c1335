"""Waits for something to happen in a folder, by the system's own notices."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

#: How often to look although nothing was noticed, in seconds: network folders and some containers tell of nothing.
LOOK_SECONDS = 5.0


@asynccontextmanager
async def notices_of(folder: Path) -> AsyncIterator[Callable[[float], Awaitable[None]]]:
    """For the time of the block, a function that waits until something changes in a folder, or `LOOK_SECONDS`."""
    from watchfiles import awatch

    stopped, noticed = asyncio.Event(), asyncio.Event()

    async def listen() -> None:
        # Where the system gives no notices, the folder is looked at from time to time all the same.
        with contextlib.suppress(OSError):
            async for _ in awatch(folder, stop_event=stopped, recursive=False, debounce=50, step=20):
                noticed.set()

    async def changed(_: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                await noticed.wait()
        noticed.clear()

    listening = asyncio.create_task(listen(), name=f"notices of {folder}")
    try:
        yield changed
    finally:
        stopped.set()
        await listening
