"""Server-sent events (WHATWG HTML, section 9.2): framing, heartbeats, backpressure, clean end.

Written here and not taken from sse-starlette, which finds out about shutdown by patching uvicorn's signal handlers. Our
servers leave signals to the program around them and end their event streams themselves.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable

import anyio
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from layercast_common.http.seats import Seat
from layercast_common.tasks import cancel, start_task

#: Longest silence of a stream, in seconds; proxies commonly close a connection after 60 s without a byte.
HEARTBEAT_SECONDS = 10.0

#: `no-transform` and X-Accel-Buffering stop compressing proxies and nginx from holding events back.
_HEADERS = {"cache-control": "no-store, no-transform", "x-accel-buffering": "no"}


def format_event(name: str, data: bytes) -> bytes:
    """Return an event as it goes over the wire. `data` must not contain line breaks."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), data)


def comment() -> bytes:
    """Return a comment, which clients ignore."""
    return b": heartbeat\n\n"


class EventStream(StreamingResponse):
    """A response that sends events as they come, and a heartbeat after each `HEARTBEAT_SECONDS` of silence.

    The next event is asked for only when the connection accepts more bytes, so a slow client costs no memory here.

    Args:
        events: the events, from `format_event`. It is closed with the response, whatever ends it.
        heartbeat: builds a heartbeat; a comment by default.
        seat: the seat of this response, freed at its end; None if seats are not limited.
    """

    def __init__(
        self,
        events: AsyncGenerator[bytes, None],
        heartbeat: Callable[[], bytes] = comment,
        *,
        seat: Seat | None = None,
    ) -> None:
        super().__init__((), media_type="text/event-stream", headers=_HEADERS)
        self._events = events
        self._heartbeat = heartbeat
        self._seat = seat

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response, and free its seat."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            if self._seat is not None:
                self._seat.free()

    async def stream_response(self, send: Send) -> None:
        """Send the events until they end or the client disconnects."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        events = self._events
        pending: asyncio.Task[bytes | None] | None = None
        try:
            while True:
                pending = pending or start_task(_next_event(events), name="next server-sent event")
                done, _ = await asyncio.wait([pending], timeout=HEARTBEAT_SECONDS)
                if not done:
                    await _send_body(send, self._heartbeat())
                    continue
                event, pending = pending.result(), None
                if event is None:
                    break
                await _send_body(send, event)
        finally:
            # Starlette cancels this over and over once the client has disconnected.
            with anyio.CancelScope(shield=True):
                await cancel(pending)
                await events.aclose()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _next_event(events: AsyncGenerator[bytes, None]) -> bytes | None:
    return await anext(events, None)


async def _send_body(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})
