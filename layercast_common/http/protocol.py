"""uvicorn's HTTP/1.1 protocol, with the limits that it lacks: for the head, the pace of the body, and its rest.

uvicorn can cap requests in progress but not connections, and waits for the head of a request without limit. Other
servers for asyncio (hypercorn, aiohttp) have some of these limits, none per address, and would be a second HTTP stack.
"""

import asyncio
import contextlib
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from layercast_common.sockets.listener import LimitedListener

#: The slowest body that a client may send, in bytes per second, measured once it has taken longer than `PACE_SECONDS`.
PACE = 1024
PACE_SECONDS = 5.0

#: After an answer that came before the end of the request: how much of the rest is read and dropped, in bytes, and for
#: how long, in seconds. Without this, a client that is still sending would never see the answer.
REST_BYTES = 1024 * 1024
REST_SECONDS = 1.0


class LimitedProtocol(H11Protocol):
    """One connection of a `LimitedListener`.

    Args:
        listener: the socket that accepted the connection.
        options: as for `H11Protocol`.
    """

    def __init__(self, listener: LimitedListener, **options: Any) -> None:
        super().__init__(**options)
        self._listener = listener
        self._number = -1
        self._measured: object = None
        self._began = 0.0
        self._received = 0
        self._rest: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the connection's number."""
        self._number = transport.get_extra_info("socket").fileno()
        super().connection_made(cast(asyncio.Transport, transport))

    def data_received(self, data: bytes) -> None:
        """Read a part of a request, or drop it if the request is answered."""
        if self._rest is None:
            self._received += len(data)
            super().data_received(data)
            return
        self._rest -= len(data)
        if self._rest < 0:
            self.transport.abort()

    def handle_events(self) -> None:
        """Start the requests whose head has come."""
        super().handle_events()
        if self.cycle is not None and self.cycle is not self._measured:
            self._measured = self.cycle
            self._began = self.loop.time()
            self._received = 0
        if self.cycle is not None and not self.cycle.response_complete:
            self._listener.begin(self._number)

    def on_response_complete(self) -> None:
        """Wait for the next request; if the client is still sending this one, end the connection."""
        if self.conn.their_state is h11.SEND_BODY:
            self.server_state.total_requests += 1
            self._drop_rest()
            return
        self._listener.wait(self._number)
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer something that is not HTTP, and end the connection.

        uvicorn does not expect it in the body of a request: the application would go on to answer.
        """
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        try:
            super().send_400_response(msg)
        except h11.LocalProtocolError:
            # The application has begun to answer, or HEAD was asked for, whose answer has no body.
            self.transport.close()

    def is_slow(self) -> bool:
        """Return whether the client sends the body of its request more slowly than `PACE`."""
        if self._rest is not None or self.cycle is None or not self.cycle.more_body or self.cycle.response_complete:
            return False
        seconds = self.loop.time() - self._began
        # While reading is paused, the application is slow and not the client.
        return seconds > PACE_SECONDS and self._received < PACE * seconds and not self.flow.read_paused

    def _drop_rest(self) -> None:
        self._rest = REST_BYTES
        if self.transport.is_closing():
            return
        if self.transport.can_write_eof():
            # The client may have reset the connection, and the event loop has not noticed yet.
            with contextlib.suppress(OSError):
                self.transport.write_eof()
        self.flow.resume_reading()
        self.loop.call_later(REST_SECONDS, self.transport.abort)
