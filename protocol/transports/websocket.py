"""Packets over WebSockets (RFC 6455), one binary message each.

A WebSocket accepts megabytes that the link has not carried yet, and whatever it accepted cannot be overtaken. So
nothing here tries to be clever: the protocol limits what is unacknowledged, and the limits below only bound memory.
Compression is off: payloads are entropy-coded already, and it costs 32 KiB per connection. Keepalive is the protocol's
own: a ping of WebSockets waits behind data, and its timeout kills healthy slow links.
"""

import asyncio
import contextlib
import logging
import socket
import ssl as tls
import sys
from array import array
from collections import Counter
from functools import partial
from typing import Any, cast

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as dial
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.typing import Origin, Subprotocol

from layercast_common.errors import ConnectError, DisconnectedError, ListenError, UsageError
from layercast_common.urls import bracketed, parse_address, public_url
from protocol.transports.base import DialOptions, Handler, Listener, ListenOptions, Transport
from protocol.wire.limits import MAX_PACKET

if sys.platform == "linux":
    import fcntl
    import termios

SUBPROTOCOL = Subprotocol("layercast.v1")

#: How long opening may take, in seconds.
OPEN_SECONDS = 10.0

#: How long a new peer may take for its handshake, in seconds.
HANDSHAKE_SECONDS = 5.0

#: Peers of one address that may be in their handshake at a time; whoever comes beyond is cut off.
MAX_OPENING = 64

#: How long the far side may take to close, in seconds.
CLOSE_SECONDS = 2.0

#: Our codes stand in WebSocket close codes from here on, in the range for private use.
CLOSE_CODES = 4000

#: Bytes of Ethernet, IP and TCP with a segment, and with the acknowledgement that TCP answers; and of a frame's header.
SEGMENT_BYTES = 66
FRAME_BYTES = 8

#: What a packet costs beside itself: on a slow link it is a segment of its own, for there packets do not wait for each
#: other.
PACKET_OVERHEAD = FRAME_BYTES + 2 * SEGMENT_BYTES

#: Bytes that the kernel may hold unsent.
UNSENT_BYTES = 4096

#: The largest message that is read at all, in bytes; what is larger than a packet is refused later, and in words.
MAX_MESSAGE = 16 * 1024

_PORTS = {"ws": 80, "wss": 443}
_EXAMPLE = "ws://127.0.0.1:8765"

_frame_log = logging.getLogger("layercast.websocket")
# Whatever the level of others: at DEBUG every frame is written, a greeting with its token among them.
_frame_log.setLevel(logging.WARNING)

_OPTIONS: dict[str, Any] = {
    "subprotocols": [SUBPROTOCOL],
    "compression": None,
    "ping_interval": None,
    "ping_timeout": None,
    "close_timeout": CLOSE_SECONDS,
    "max_size": MAX_MESSAGE,
    "max_queue": (8, 2),
    "write_limit": (2048, 512),
    "logger": _frame_log,
}


class WebSocketTransport(Transport):
    """An open WebSocket."""

    def __init__(self, connection: ClientConnection | ServerConnection) -> None:
        self.mtu = MAX_PACKET
        self.reliable = True
        self.ordered = True
        self.overhead = PACKET_OVERHEAD
        self.rate_hint = 0.0
        address = connection.remote_address
        self.peer = str(address[0]) if address else "unknown"
        self._connection = connection
        # 3 KiB that nobody reads any more.
        for message in (connection.request, connection.response):
            if message is not None:
                message.headers.clear()
        _bound_kernel_buffer(connection)

    async def send(self, packet: bytes) -> None:
        """See `Transport.send`."""
        self.check_size(packet)
        try:
            await self._connection.send(packet)
        except ConnectionClosed as error:
            raise DisconnectedError(f"the connection to {self.peer} is gone") from error

    @property
    def backlog(self) -> int:
        """See `Transport.backlog`: what the far side's TCP has not acknowledged, where the kernel tells."""
        transport = self._connection.transport
        return transport.get_write_buffer_size() + _held_by_kernel(transport.get_extra_info("socket"))

    async def recv(self) -> bytes:
        """See `Transport.recv`."""
        try:
            message = await self._connection.recv()
        except ConnectionClosed as error:
            raise DisconnectedError(f"the connection to {self.peer} is gone") from error
        # Text is no packet of ours; its bytes fail the check and are counted as a bad packet.
        return message.encode() if isinstance(message, str) else message

    async def close(self, code: int = 0) -> None:
        """See `Transport.close`."""
        await self._connection.close(CLOSE_CODES + code if code else 1000)


class _Guest(ServerConnection):
    """A peer that is counted until its handshake is over, so that nobody holds all doors open at once.

    Args:
        openings: how many peers of each address are in their handshake.
    """

    def __init__(self, openings: Counter[str], *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._openings = openings
        self._counted = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open; the handshake begins."""
        super().connection_made(transport)
        address = str((transport.get_extra_info("peername") or ("unknown",))[0])
        if self._openings[address] >= MAX_OPENING:
            self.transport.abort()
            return
        self._counted = address
        self._openings[address] += 1

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self.note_opened()
        super().connection_lost(exc)

    def note_opened(self) -> None:
        """The handshake is over, in whatever way."""
        if self._counted:
            self._openings[self._counted] -= 1
            if not self._openings[self._counted]:
                del self._openings[self._counted]
            self._counted = ""


class WebSocketListener(Listener):
    """An open server."""

    def __init__(self, server: Server, url: str) -> None:
        self.url = url
        self._server = server

    async def close(self) -> None:
        """See `Listener.close`."""
        self._server.close()
        await self._server.wait_closed()


async def connect(url: str, options: DialOptions) -> WebSocketTransport:
    """Open a WebSocket to a receiver at `ws://host:port` or `wss://host:port`; see `addresses.open_transport`."""
    address = parse_address(url, _PORTS, _EXAMPLE)
    shown = public_url(url)
    # A proxy is for the outside world; on this machine it only gets in the way.
    extra: dict[str, Any] = {"proxy": None} if address.is_loopback else {}
    if options.ssl is not None:
        extra["ssl"] = options.ssl
    try:
        return WebSocketTransport(await dial(url, open_timeout=OPEN_SECONDS, **_OPTIONS, **extra))
    except InvalidURI as error:
        raise UsageError(f"'{shown}' is not an address; give one like {_EXAMPLE}") from error
    except InvalidHandshake as error:
        raise ConnectError(f"{shown} answers, but is no layercast receiver: {error}") from error
    except tls.SSLError as error:
        raise ConnectError(f"no secure connection to {shown}: {error.reason or error}") from error
    except (OSError, TimeoutError) as error:
        raise ConnectError(
            f"nobody listens at {shown}; start a receiver there: layercast receive --listen {shown}"
        ) from error


async def listen(url: str, handler: Handler, options: ListenOptions) -> WebSocketListener:
    """Wait for senders at `ws://host:port` or `wss://host:port`, port 0 for a free one; see `addresses.open_listener`.

    A peer that does not finish its handshake in time is dropped, like one that never greets.
    """
    address = parse_address(url, _PORTS, _EXAMPLE)
    if (address.scheme == "wss") != (options.ssl is not None):
        raise UsageError(f"{url}: wss:// needs a certificate, and ws:// takes none")

    openings: Counter[str] = Counter()

    async def handle(connection: ServerConnection) -> None:
        cast(_Guest, connection).note_opened()
        transport = WebSocketTransport(connection)
        try:
            await handler(transport)
        finally:
            await transport.close()

    allowed = [None, *(Origin(origin) for origin in options.origins)]
    try:
        server = await serve(
            handle,
            address.host,
            address.port,
            origins=allowed,
            ssl=options.ssl,
            server_header=None,
            create_connection=cast(type[ServerConnection], partial(_Guest, openings)),
            open_timeout=HANDSHAKE_SECONDS,
            **_OPTIONS,
        )
    except OSError as error:
        free = f"{address.scheme}://{bracketed(address.host)}:0"
        raise ListenError(
            f"cannot listen on port {address.port} of {address.host} ({error.strerror or error}); "
            f"take another, or any free one: {free}"
        ) from error
    bound = server.sockets[0].getsockname()[1]
    return WebSocketListener(server, f"{address.scheme}://{bracketed(address.host)}:{bound}")


def _held_by_kernel(handle: socket.socket | None) -> int:
    """Bytes that the kernel was given and the far side's has not acknowledged; 0 where it does not tell."""
    held = array("i", [0])
    if sys.platform == "linux" and handle is not None and handle.fileno() >= 0:
        with contextlib.suppress(OSError):
            fcntl.ioctl(handle.fileno(), termios.TIOCOUTQ, held)
    return held[0]


def _bound_kernel_buffer(connection: ClientConnection | ServerConnection) -> None:
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    handle = connection.transport.get_extra_info("socket")
    if option is not None and handle is not None:
        with contextlib.suppress(OSError):
            handle.setsockopt(socket.IPPROTO_TCP, option, UNSENT_BYTES)
