"""A receiver with few file descriptors, and a client that opens many connections and finishes no request."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from codec.encoder.encode import encode
from codec.encoder.options import EncodeOptions
from sender.connection.sender import Sender
from tests.support.pictures import draw_picture

ROOT = Path(__file__).parents[2]

#: Descriptors of the receiver, and connections of the hostile client to each of its ports.
DESCRIPTORS, HALVES = 96, 150

PATIENCE = 120.0

_PROGRAM = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv.pop(1)),) * 2)
from layercast.cli import main
sys.exit(main(sys.argv[1:]))
"""


@contextlib.asynccontextmanager
async def receiving(errors: Path) -> AsyncIterator[dict[str, Any]]:
    """Run `layercast receive` in a process of its own; yield its addresses."""
    options = ["receive", "--json", "--model", "none", "--listen", "ws://127.0.0.1:0", "--viewer", "127.0.0.1:0"]
    with errors.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _PROGRAM, str(DESCRIPTORS), *options),
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            cwd=ROOT,
        )
    assert process.stdout is not None
    try:
        yield json.loads(await asyncio.wait_for(process.stdout.readline(), PATIENCE))
    finally:
        process.kill()
        await process.wait()


async def open_halves(url: str) -> list[asyncio.StreamWriter]:
    """Open connections that send half a request each."""
    address, writers = httpx.URL(url), []
    for _ in range(HALVES):
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(address.host, address.port)
            writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
            writers.append(writer)
    return writers


@pytest.mark.skipif(sys.platform != "linux", reason="limits of descriptors differ elsewhere")
async def test_half_requests_take_neither_the_page_nor_the_senders(tmp_path: Path) -> None:
    errors = tmp_path / "errors"
    stream = encode(draw_picture(64, 64), "a hill", EncodeOptions(budget=300))
    async with receiving(errors) as listening, Sender(listening["url"]) as sender, asyncio.timeout(PATIENCE):
        halves = [writer for name in ("viewer", "url") for writer in await open_halves(listening[name])]
        async with httpx.AsyncClient(base_url=listening["viewer"], timeout=PATIENCE) as client:
            assert (await client.get("/healthz")).json()["status"] == "ok"
            # Who was connected before stays, and who comes now gets in.
            assert (await sender.send(stream)).complete
            async with Sender(listening["url"]) as another:
                assert (await another.send(stream)).complete
            assert (await client.get("/")).status_code == 200
        for writer in halves:
            writer.close()
    assert errors.read_text() == ""
