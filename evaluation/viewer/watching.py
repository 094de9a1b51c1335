"""Watchers that load what the page loads. Runs as a process of its own, so that it does not count as the server.

python -m evaluation.viewer.watching URL COUNT    prints the bytes that each watcher received, as JSON
"""

import asyncio
import json
import sys
from typing import Any
from urllib.parse import urlsplit

#: Events of more bytes than this are refused.
MAX_EVENT = 16 * 1024 * 1024


class _Watcher:
    """One watcher: follows the live channel until a picture is complete, then moves the slider through all of it.

    Args:
        host, port: of the page.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._loaded: set[str] = set()
        self.received = 0

    async def watch(self) -> None:
        """Watch until one picture is complete."""
        reader, writer = await asyncio.open_connection(self._host, self._port, limit=MAX_EVENT)
        writer.write(f"GET /live HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n\r\n".encode())
        async for line in reader:
            self.received += len(line)
            if not line.startswith(b"data: "):
                continue
            pictures = json.loads(line.removeprefix(b"data: "))["pictures"]
            for picture in pictures:
                await self._load_picture(picture)
            if any(picture["status"] == "complete" for picture in pictures):
                break
        writer.close()

    async def _load_picture(self, picture: dict[str, Any]) -> None:
        urls = [layer["image"] for layer in picture["layers"] if layer["image"]]
        if picture["frame"]:
            urls += [picture["frame"]["url"]]
        urls += [f"{level['frame']['url']}?small" for level in picture["levels"] if level["frame"]]
        for url in urls:
            await self._load(url)
        if picture["status"] == "complete":
            timeline = json.loads(await self._load(f"/api/pictures/{picture['id']}/arrival"))
            for frame in timeline["frames"]:
                await self._load(frame["url"])

    async def _load(self, url: str) -> bytes:
        """Load what the browser's cache does not hold, and count its bytes with headers."""
        if url in self._loaded:
            return b""
        self._loaded.add(url)
        reader, writer = await asyncio.open_connection(self._host, self._port)
        writer.write(f"GET {url} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        self.received += len(answer)
        return answer.partition(b"\r\n\r\n")[2]


async def _watch(url: str, count: int) -> list[int]:
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    watchers = [_Watcher(parts.hostname, parts.port) for _ in range(count)]
    await asyncio.gather(*(watcher.watch() for watcher in watchers))
    return [watcher.received for watcher in watchers]


if __name__ == "__main__":
    json.dump(asyncio.run(_watch(sys.argv[1], int(sys.argv[2]))), sys.stdout)
