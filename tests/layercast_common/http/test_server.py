"""The HTTP server against clients that are slow, silent, endless or gone."""

import asyncio
import contextlib
import errno
import logging
import socket
import struct
import threading
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from layercast_common.http import protocol, server
from layercast_common.http.server import open_socket, quiet_server, serving
from layercast_common.sockets import listener as sockets
from layercast_common.sockets.listener import LimitedListener

PATIENCE = 60.0

HALF = b"POST /size HTTP/1.1\r\nHost: localhost\r\nX-"
ENDLESS = b"POST /refused HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNK = b"10000\r\n" + bytes(0x10000) + b"\r\n"


async def _size(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


async def _refused(_: Request) -> Response:
    return PlainTextResponse("too large", 413)


@contextlib.asynccontextmanager
async def served() -> AsyncIterator[tuple[LimitedListener, httpx.AsyncClient]]:
    app = Starlette(routes=[Route("/size", _size, methods=["POST"]), Route("/refused", _refused, methods=["POST"])])
    listener = await open_socket("127.0.0.1", 0, option="--http")
    async with (
        serving(quiet_server(app, listener), listener, on_end=lambda: None),
        httpx.AsyncClient(base_url=server.url_of(listener), timeout=PATIENCE) as client,
    ):
        yield listener, client


async def connect(listener: LimitedListener, start: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(*listener.getsockname()[:2])
    writer.write(start)
    await writer.drain()
    return reader, writer


async def until_closed(reader: asyncio.StreamReader) -> bytes:
    data = b""
    async with asyncio.timeout(PATIENCE):
        with contextlib.suppress(ConnectionError):
            while part := await reader.read(65536):
                data += part
    return data


async def test_half_requests_give_way_to_whole_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 16)
    async with served() as (listener, client):
        halves = [await connect(listener, HALF) for _ in range(100)]
        assert (await client.post("/size", content=b"abc")).text == "3"
        assert listener.connections <= 16 + sockets.CLOSING
        for _, writer in halves:
            writer.close()


async def test_a_head_must_come_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served() as (listener, client):
        object.__setattr__(listener._table._limits, "waiting_seconds", 0.1)
        reader, writer = await connect(listener, HALF)
        assert await until_closed(reader) == b""
        writer.close()
        assert (await client.post("/size", content=b"abc")).text == "3"


async def test_a_body_must_keep_a_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "PACE_SECONDS", 0.1)
    async with served() as (listener, _):
        head = b"POST /size HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nx"
        reader, writer = await connect(listener, head)
        assert await until_closed(reader) == b""
        writer.close()


async def test_an_endless_body_is_not_read_on_after_the_answer() -> None:
    async with served() as (listener, _):
        reader, writer = await connect(listener, ENDLESS)
        answer = asyncio.create_task(until_closed(reader))
        sent = 0
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(PATIENCE):
                while not writer.is_closing():
                    writer.write(CHUNK)
                    sent += len(CHUNK)
                    await writer.drain()
        assert b" 413 " in await answer
        # The rest is in the kernel's buffers and the client's own.
        assert sent < protocol.REST_BYTES + 32 * 1024 * 1024


async def test_a_client_that_leaves_in_the_middle_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async with served() as (listener, client):
        head = b"POST /size HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nx"
        _, writer = await connect(listener, head)
        await asyncio.sleep(0.05)
        writer.close()
        await writer.wait_closed()
        assert (await client.post("/size", content=b"abc")).text == "3"
        async with asyncio.timeout(PATIENCE):
            while listener.connections > 1:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize(
    "request_",
    [
        b"POST /size HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nxyz\r\n\r\n",
        b"POST /size HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"POST /refused HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HEAD /size HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"xyz\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_answered_and_logs_no_error(
    request_: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with served() as (listener, client):
        reader, writer = await connect(listener, request_)
        assert (await until_closed(reader)).startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 200 "))
        writer.close()
        assert (await client.post("/size", content=b"abc")).text == "3"
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_a_client_that_resets_the_connection_during_the_answer_is_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    left = threading.Event()

    async def answer(_: Request) -> Response:
        async def content() -> AsyncIterator[bytes]:
            yield b"x"
            # The event loop must not notice the reset before the end of the answer.
            assert left.wait(PATIENCE)

        return StreamingResponse(content(), headers={"Content-Length": "1"})

    def leave(address: tuple[str, int]) -> None:
        with socket.create_connection(address, timeout=PATIENCE) as client:
            client.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nx")
            client.recv(1)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        left.set()

    app = Starlette(routes=[Route("/", answer, methods=["POST"])])
    listener = await open_socket("127.0.0.1", 0, option="--http")
    async with serving(quiet_server(app, listener), listener, on_end=lambda: None):
        await asyncio.to_thread(leave, listener.getsockname()[:2])
        async with asyncio.timeout(PATIENCE):
            while listener.connections:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_without_descriptors_accepting_pauses_and_logs_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with served() as (listener, client):
        calls = 0
        accept = LimitedListener._accept_plain

        def fail(one: LimitedListener) -> object:
            nonlocal calls
            calls += 1
            raise OSError(errno.EMFILE, "Too many open files")

        monkeypatch.setattr(LimitedListener, "_accept_plain", fail)
        _, writer = await connect(listener, b"")
        await asyncio.sleep(0.3)
        assert 1 <= calls <= 3
        assert len(caplog.records) == 1
        monkeypatch.setattr(LimitedListener, "_accept_plain", accept)
        assert (await client.post("/size", content=b"abc")).text == "3"
        writer.close()
