"""Events as JSON lines on stdout, for commands that run until they are stopped."""

import asyncio
from typing import Any

from layercast.console import report


class JsonEvents:
    """Writes JSON lines to stdout. Create it in a running event loop.

    A callback of the application must not end a loop of the sender or receiver. So a closed stdout is not raised in
    `write` but completes `closed`.

    Attributes:
        closed: fails with BrokenPipeError once the reader of stdout has closed it.
    """

    def __init__(self) -> None:
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def write(self, row: dict[str, Any]) -> None:
        """Write an object as one line."""
        try:
            report(row)
        except BrokenPipeError as error:
            if not self.closed.done():
                self.closed.set_exception(error)
