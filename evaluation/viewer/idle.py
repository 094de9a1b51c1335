"""The processor time of a page that shows a finished picture and waits: of the browser, and of the server."""

import asyncio
import os
import time
from pathlib import Path

from evaluation.viewer.arrival import events_of
from evaluation.viewer.browser import running_browser
from receiver.viewer import Viewer, ViewerOptions
from receiver.viewer.pictures.state import PictureState

#: How long the browser has to load and draw everything before it counts as idle, in seconds.
SETTLING = 15.0

_TICKS = os.sysconf("SC_CLK_TCK")


async def measure_idle(recording: PictureState, browser: str, seconds: float) -> dict[str, float]:
    """Show a finished picture in a headless browser, and measure while nothing happens.

    Args:
        recording: the picture.
        browser: path of the browser, from `find_browser`.
        seconds: how long to measure.

    Returns:
        `page_share`, processor time of all the browser's processes, and `server_share`, as shares of one core.
    """
    loop = asyncio.get_running_loop()
    # The picture was complete an hour ago.
    viewer = Viewer(ViewerOptions(clock=lambda: loop.time() + 3600))
    async with viewer.serve("127.0.0.1", 0) as url:
        for event in events_of(recording):
            viewer.publish(event)
        async with running_browser(browser, url) as (process, _):
            while not viewer.watchers:  # noqa: ASYNC110 - the viewer has no event for this
                await asyncio.sleep(0.1)
            await asyncio.sleep(SETTLING)
            before, own, began = session_seconds(process.pid), time.process_time(), time.monotonic()
            await asyncio.sleep(seconds)
            passed = time.monotonic() - began
            return {
                "page_share": (session_seconds(process.pid) - before) / passed,
                "server_share": (time.process_time() - own) / passed,
            }


def session_seconds(session: int) -> float:
    """Return the processor time so far of all processes of a session, in seconds."""
    total = 0
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        # After the name: state, parent, group, session, ..., user and system time in ticks.
        if int(fields[3]) == session:
            total += int(fields[11]) + int(fields[12])
    return total / _TICKS
