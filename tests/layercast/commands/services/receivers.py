"""A receiver for tests of commands."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from protocol.connection.events import PictureDone, ReceiverEvent
from receiver.server import Server


@contextmanager
def receiving(**options: object) -> Iterator[tuple[str, list[ReceiverEvent]]]:
    """A receiver in a thread: its address and its events."""
    events: list[ReceiverEvent] = []
    started, url, loop = threading.Event(), [""], asyncio.new_event_loop()
    ended = asyncio.Event()

    async def serve() -> None:
        async with Server("ws://127.0.0.1:0", on_event=events.append, **options) as intake:  # type: ignore[arg-type]
            url[0] = intake.url
            started.set()
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert started.wait(30)
    try:
        yield url[0], events
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()


def done(events: list[ReceiverEvent]) -> int:
    return sum(isinstance(event, PictureDone) for event in events)
