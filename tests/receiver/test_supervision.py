"""Background tasks and callbacks: a failing task ends its owner with the error, a failing callback ends nothing."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import httpx
import pytest

from codec.container.bitstream import Bitstream
from codec.encoder.encode import encode
from codec.encoder.options import EncodeOptions
from protocol.connection.events import ReceiverEvent
from protocol.receiving.sessions import Sessions
from protocol.transports.addresses import open_listener, open_transport
from protocol.transports.base import Handler, Listener, ListenOptions
from protocol.wire.limits import Limits
from receiver.archive import Archive, ArchiveWriter, label_of
from receiver.condition import ReceiverCondition
from receiver.events import Event, FrameRendered, PictureCompleted, PictureFailed, PictureOpened
from receiver.options import RenderOptions, Security
from receiver.pipeline import Pipeline
from receiver.receiver import Receiver
from receiver.server import Server
from receiver.viewer import Viewer, ViewerOptions
from sender.connection.sender import Sender
from tests.support.pictures import draw_picture

ANY_PORT = "ws://127.0.0.1:0"

#: Longest that a test waits on a busy machine, in seconds.
PATIENCE = 30.0


class BrokenError(Exception):
    """An error that only these tests raise."""


def fail(*_: object, **__: object) -> None:
    raise BrokenError("on purpose")


async def wait_for_failure(client: httpx.AsyncClient, reported: list[str]) -> None:
    """Wait until the owner of a failed task cancels us; record what `/healthz` answers at that moment."""
    try:
        await asyncio.sleep(PATIENCE)
    except asyncio.CancelledError:
        response = await client.get("/healthz")
        reported.append(f"{response.status_code} {response.json()['status']}")
        raise


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
def stream() -> Bitstream:
    return encode(draw_picture(128, 128), "a house on a hill", EncodeOptions(budget=500))


async def ends_with_the_error(receiver: Receiver, task: str, caplog: pytest.LogCaptureFixture) -> None:
    """Run a receiver and its page until its background task fails; check what everyone sees of it."""
    reported: list[str] = []
    viewer = Viewer(ViewerOptions(condition=lambda: receiver.condition))
    async with viewer.serve("127.0.0.1", 0) as page, httpx.AsyncClient(base_url=page) as client:

        async def run() -> None:
            async with receiver:
                await wait_for_failure(client, reported)

        with pytest.raises(BrokenError, match="on purpose"):
            await run()
        assert receiver.condition is ReceiverCondition.FAILED
    assert reported == ["503 failed"]
    assert f"the task '{task}' failed" in caplog.text
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_session_expiry(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr("receiver.server.EXPIRY_SECONDS", 0.01)
    monkeypatch.setattr(Sessions, "expire", fail)
    await ends_with_the_error(Receiver(ANY_PORT, model=None), "session expiry", caplog)


async def test_listeners(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    async def listen(address: str, handler: Handler, options: ListenOptions) -> Listener:
        assert options.on_failure is not None
        asyncio.get_running_loop().call_later(0.05, options.on_failure, BrokenError("on purpose"))
        return await open_listener(address, handler, options)

    monkeypatch.setattr("receiver.server.open_listener", listen)
    await ends_with_the_error(Receiver(ANY_PORT, model=None), "listeners", caplog)


async def test_idle_check(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr("receiver.receiver.IDLE_CHECK_SECONDS", 0.01)
    monkeypatch.setattr(Pipeline, "abandon_idle", fail)
    await ends_with_the_error(Receiver(ANY_PORT, model=None), "idle check", caplog)


async def test_archive_maintenance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Archive, "evict", fail)
    await ends_with_the_error(Receiver(ANY_PORT, model=None, archive=tmp_path), "archive maintenance", caplog)


async def test_redrawing(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def undrawn(_: ArchiveWriter) -> AsyncIterator[None]:
        raise BrokenError("on purpose")
        yield

    monkeypatch.setattr(ArchiveWriter, "undrawn", undrawn)
    receiver = Receiver(ANY_PORT, render=RenderOptions(model=tiny_model, steps=1), archive=tmp_path)
    await ends_with_the_error(receiver, "redrawing", caplog)


async def test_viewer_drawing(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    viewer = Viewer()
    monkeypatch.setattr(viewer, "_queue", "no queue")
    reported: list[str] = []

    async def serve() -> None:
        async with viewer.serve("127.0.0.1", 0) as page, httpx.AsyncClient(base_url=page) as client:
            viewer._published.set()
            await wait_for_failure(client, reported)

    with pytest.raises(AttributeError, match="popitem"):
        await serve()
    assert reported == ["503 failed"]
    assert "the task 'viewer drawing' failed" in caplog.text
    assert viewer.url is None
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_callbacks_that_raise_are_logged_with_their_picture(
    tiny_model: Path, stream: Bitstream, caplog: pytest.LogCaptureFixture
) -> None:
    events: list[Event] = []
    frames: list[FrameRendered] = []

    def on_event(event: Event) -> None:
        events.append(event)
        fail()

    def on_frame(frame: FrameRendered) -> None:
        frames.append(frame)
        fail()

    render = RenderOptions(model=tiny_model, steps=1)
    async with (
        Receiver(ANY_PORT, render=render, on_event=on_event, on_frame=on_frame) as receiver,
        Sender(receiver.url) as sender,
    ):
        for _ in range(2):
            assert (await sender.send(stream)).complete
        await until(lambda: sum(isinstance(event, PictureCompleted) for event in events) == 2)
        assert receiver.condition is ReceiverCondition.OK
    assert frames == [event for event in events if isinstance(event, FrameRendered)]
    assert frames
    logged = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(logged) == len(events) + len(frames)
    assert logged[0].getMessage() == f"picture {events[0].picture}: the application's callback failed"
    assert logged[0].exc_info


async def test_session_expiry_goes_on_after_a_callback_that_raises(
    stream: Bitstream, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("receiver.server.EXPIRY_SECONDS", 0.02)
    events: list[Event] = []

    def on_event(event: Event) -> None:
        events.append(event)
        fail()

    def seen(kind: type[Event], count: int) -> bool:
        return sum(isinstance(event, kind) for event in events) == count

    limits = Limits(resume_seconds=1)
    async with Receiver(ANY_PORT, model=None, on_event=on_event, security=Security(limits=limits)) as receiver:
        for count in (1, 2):
            await break_off(receiver.url, stream, partial(seen, PictureOpened, count))
            await until(partial(seen, PictureFailed, count))
        assert receiver.condition is ReceiverCondition.OK
    assert "the application's callback failed" in caplog.text


async def test_session_expiry_goes_on_after_a_handler_that_raises(
    stream: Bitstream, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("receiver.server.EXPIRY_SECONDS", 0.02)
    events: list[str] = []

    def on_event(event: ReceiverEvent) -> None:
        events.append(type(event).__name__)
        if not hasattr(event, "head") and not hasattr(event, "payload"):
            fail()

    limits = Limits(resume_seconds=1)
    async with Server(ANY_PORT, on_event=on_event, security=Security(limits=limits)) as server:
        for count in (1, 2):
            before = len(events)
            await break_off(server.url, stream, lambda before=before: len(events) > before)  # type: ignore[misc]
            failed = count
            await until(lambda failed=failed: sum("Aborted" in name for name in events) == failed)  # type: ignore[misc]
        assert server.failure is None
    assert "the application's handler failed" in caplog.text


async def break_off(url: str, stream: Bitstream, begun: Callable[[], bool]) -> None:
    """Begin to send a picture, and lose the connection without a close handshake."""
    transport = await open_transport(url)
    try:
        async with Sender(url, transport=transport, rate=600) as sender:
            sending = asyncio.create_task(sender.send(stream))
            await until(begun)
            transport._connection.transport.abort()  # type: ignore[attr-defined]
            await asyncio.gather(sending, return_exceptions=True)
    except Exception:
        pass


async def test_redrawing_goes_on_after_a_callback_that_raises(
    tiny_model: Path, tmp_path: Path, stream: Bitstream, caplog: pytest.LogCaptureFixture
) -> None:
    archive = Archive(tmp_path)
    for number in range(2):
        archive.store(label_of(b"ship", 1, number), datetime(2026, 1, 31, 12, number, 0, tzinfo=UTC), stream)
    completed: list[Event] = []

    def on_event(event: Event) -> None:
        if isinstance(event, PictureCompleted):
            completed.append(event)
        fail()

    render = RenderOptions(model=tiny_model, steps=1)
    async with Receiver(ANY_PORT, render=render, archive=tmp_path, on_event=on_event) as receiver:
        await until(lambda: len(completed) == 2)
        assert receiver.condition is ReceiverCondition.OK
    assert "the application's callback failed" in caplog.text
