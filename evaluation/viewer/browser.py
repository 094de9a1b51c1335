"""A headless Chromium that shows a page, and its DevTools connection."""

import asyncio
import contextlib
import itertools
import json
import shutil
import tempfile
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

#: Programs that show the page, in order of preference.
BROWSERS = ("chromium", "chromium-browser", "google-chrome")

_FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-extensions"),
    *("--remote-debugging-port=0", "--window-size=1280,800"),
)


def find_browser() -> str | None:
    """Return the path of a browser; None without one."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


@contextlib.asynccontextmanager
async def running_browser(browser: str, url: str) -> AsyncIterator[tuple[Process, Path]]:
    """Run a headless browser in a session of its own while the block runs; yields the process and its profile folder.

    Args:
        browser: path of the program, from `find_browser`.
        url: the page that it opens.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            *(browser, *_FLAGS, f"--user-data-dir={profile}", url),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield process, Path(profile)
        finally:
            process.terminate()
            await process.wait()


class DevTools:
    """One page of a browser, through the Chrome DevTools Protocol. One call at a time.

    Args:
        connection: to the browser.
        session: the protocol's name of the page.
    """

    def __init__(self, connection: ClientConnection, session: str | None = None) -> None:
        self._connection = connection
        self._session = session
        self._numbers = itertools.count()

    async def call(self, method: str, **parameters: Any) -> Any:
        """Call a method and return its result.

        Raises:
            RuntimeError: the browser refuses the call.
        """
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        await self._connection.send(json.dumps(message))
        # Everything else that comes is an event.
        while (answer := json.loads(await self._connection.recv())).get("id") != number:
            pass
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    async def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression, as of JSON."""
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return answer["result"].get("value")


@contextlib.asynccontextmanager
async def open_tab(profile: Path) -> AsyncIterator[DevTools]:
    """Connect to the first page of a running browser.

    Args:
        profile: the browser's profile folder, from `running_browser`.
    """
    port_file = profile / "DevToolsActivePort"
    while not (port_file.exists() and port_file.read_text().count("\n")):  # noqa: ASYNC110 - another process writes it
        await asyncio.sleep(0.05)
    port, path = port_file.read_text().split("\n")[:2]
    async with connect(f"ws://127.0.0.1:{port}{path}", max_size=None, proxy=None) as connection:
        tools = DevTools(connection)
        target = None
        while target is None:
            targets = (await tools.call("Target.getTargets"))["targetInfos"]
            target = next((one["targetId"] for one in targets if one["type"] == "page"), None)
        attached = await tools.call("Target.attachToTarget", targetId=target, flatten=True)
        yield DevTools(connection, attached["sessionId"])
