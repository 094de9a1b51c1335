"""Waits for changes in a folder, by the operating system's notifications."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from layercast_common.tasks import BackgroundTasks

#: The longest wait without a notification, in seconds: network folders and some containers send none.
POLL_SECONDS = 5.0


@asynccontextmanager
async def folder_events(folder: Path) -> AsyncIterator[Callable[[float], Awaitable[None]]]:
    """Watch a folder within the block. The block gets a function that waits for a change, or for `POLL_SECONDS`.

    An unexpected error of the watcher is logged and ends the block with that error.
    """
    from watchfiles import awatch

    stopped, changed = asyncio.Event(), asyncio.Event()

    async def listen() -> None:
        # Where the system cannot notify, polling remains.
        with contextlib.suppress(OSError):
            async for _ in awatch(folder, stop_event=stopped, recursive=False, debounce=50, step=20):
                changed.set()

    async def wait_for_change(_: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):
                await changed.wait()
        changed.clear()

    async with BackgroundTasks(f"watch of {folder}") as tasks:
        listening = tasks.start(listen(), name="folder events")
        try:
            yield wait_for_change
        finally:
            stopped.set()
            await asyncio.wait([listening])
