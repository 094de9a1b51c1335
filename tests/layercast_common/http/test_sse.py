"""Server-sent events: heartbeats, backpressure, and a source that is always closed."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from starlette.types import Message, Receive, Scope

from layercast_common.http import sse
from layercast_common.http.sse import EventStream, format_event


class Source:
    """Two events, the second when `go` is set."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.asked = 0
        self.closed = False

    async def events(self) -> AsyncGenerator[bytes, None]:
        try:
            self.asked += 1
            yield format_event("one", b"1")
            self.asked += 1
            await self.go.wait()
            yield format_event("two", b"2")
        finally:
            self.closed = True


def scope() -> Scope:
    return {"type": "http", "method": "GET", "path": "/", "headers": []}


async def never() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


async def run(stream: EventStream, receive: Receive = never) -> list[bytes]:
    sent: list[bytes] = []

    async def send(message: Message) -> None:
        sent.append(message.get("body", b""))

    await stream(scope(), receive, send)
    return sent


async def test_events_then_heartbeats_then_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT_SECONDS", 0.02)
    source = Source()
    running = asyncio.create_task(run(EventStream(source.events())))
    await asyncio.sleep(0.2)
    source.go.set()
    sent = await running
    assert sent[:3] == [b"", b"event: one\ndata: 1\n\n", b": heartbeat\n\n"]
    assert sent[-2:] == [b"event: two\ndata: 2\n\n", b""]
    assert source.closed


async def test_a_disconnected_client_closes_the_source() -> None:
    source = Source()
    gone = asyncio.Event()

    async def receive() -> Message:
        await gone.wait()
        return {"type": "http.disconnect"}

    running = asyncio.create_task(run(EventStream(source.events()), receive))
    while source.asked < 2:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    gone.set()
    await asyncio.wait_for(running, 10)
    assert source.closed
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_client_that_does_not_read_is_not_written_to() -> None:
    source = Source()
    reads, gone = asyncio.Event(), asyncio.Event()

    async def send(message: Message) -> None:
        if message.get("body"):
            await reads.wait()

    async def receive() -> Message:
        await gone.wait()
        return {"type": "http.disconnect"}

    running = asyncio.create_task(EventStream(source.events())(scope(), receive, send))
    await asyncio.sleep(0.05)
    assert source.asked == 1
    gone.set()
    await asyncio.wait_for(running, 10)
    assert source.closed


async def test_an_error_of_the_source_ends_the_response() -> None:
    async def events() -> AsyncGenerator[bytes, None]:
        yield b"event: one\n\n"
        raise ValueError("broken")

    with pytest.raises(Exception, match=r"broken|unhandled"):
        await run(EventStream(events()))
