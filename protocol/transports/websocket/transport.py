"""Packets over WebSockets (RFC 6455), one binary message each.

A WebSocket accepts megabytes before the link carries them, and accepted data cannot be overtaken. The protocol limits
the bytes in flight; the limits below only bound memory. Compression is off: payloads are entropy-coded already, and it
costs 32 KiB per connection. WebSocket pings are off: a ping waits behind data, and its timeout would close slow links.
"""

import contextlib
import logging
import socket
import sys
from array import array
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from layercast_common.errors import DisconnectedError
from protocol.transports.base import Transport
from protocol.wire.limits import MAX_PACKET

if sys.platform == "linux":
    import fcntl
    import termios

SUBPROTOCOL = Subprotocol("layercast.v1")

#: How long the peer may take to close, in seconds.
CLOSE_SECONDS = 2.0

#: The WebSocket close code is this plus the protocol's code, in the range for private use.
CLOSE_CODES = 4000

#: Bytes of Ethernet, IP and TCP headers per segment, and per TCP acknowledgement; and of a WebSocket frame header.
SEGMENT_BYTES = 66
FRAME_BYTES = 8

#: Cost of a packet in addition to its own bytes: on a slow link every packet is a segment of its own.
PACKET_OVERHEAD = FRAME_BYTES + 2 * SEGMENT_BYTES

#: Unsent bytes that the kernel may hold.
UNSENT_BYTES = 4096

#: The largest message that is read, in bytes; a smaller one that exceeds a packet is refused with an error packet.
MAX_MESSAGE = 16 * 1024

_frame_log = logging.getLogger("layercast.websocket")
# At DEBUG the library logs every frame, HELLO with its token included.
_frame_log.setLevel(logging.WARNING)

#: The options of both `connect` and `serve`.
OPTIONS: dict[str, Any] = {
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
    """An open WebSocket.

    Args:
        connection: the WebSocket, after its handshake.
    """

    def __init__(self, connection: ClientConnection | ServerConnection) -> None:
        self.mtu = MAX_PACKET
        self.reliable = True
        self.ordered = True
        self.overhead = PACKET_OVERHEAD
        self.rate_hint = 0.0
        address = connection.remote_address
        self.peer = str(address[0]) if address else "unknown"
        self._connection = connection
        # Frees 3 KiB of handshake headers.
        for message in (connection.request, connection.response):
            if message is not None:
                message.headers.clear()
        _limit_kernel_buffer(connection)

    async def send(self, packet: bytes) -> None:
        """See `Transport.send`."""
        self.check_size(packet)
        try:
            await self._connection.send(packet)
        except ConnectionClosed as error:
            raise DisconnectedError(f"the connection to {self.peer} is closed") from error

    @property
    def backlog(self) -> int:
        """See `Transport.backlog`: bytes that the peer's TCP has not acknowledged, where the kernel reports them."""
        transport = self._connection.transport
        return transport.get_write_buffer_size() + _unacknowledged_bytes(transport.get_extra_info("socket"))

    async def recv(self) -> bytes:
        """See `Transport.recv`."""
        try:
            message = await self._connection.recv()
        except ConnectionClosed as error:
            raise DisconnectedError(f"the connection to {self.peer} is closed") from error
        # A text message is no packet; its bytes fail the check and count as a malformed packet.
        return message.encode() if isinstance(message, str) else message

    async def close(self, code: int = 0) -> None:
        """See `Transport.close`."""
        await self._connection.close(CLOSE_CODES + code if code else 1000)


def _unacknowledged_bytes(handle: socket.socket | None) -> int:
    """Return the bytes that the peer's TCP has not acknowledged; 0 where the kernel does not report them."""
    held = array("i", [0])
    if sys.platform == "linux" and handle is not None and handle.fileno() >= 0:
        with contextlib.suppress(OSError):
            fcntl.ioctl(handle.fileno(), termios.TIOCOUTQ, held)
    return held[0]


def _limit_kernel_buffer(connection: ClientConnection | ServerConnection) -> None:
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    handle = connection.transport.get_extra_info("socket")
    if option is not None and handle is not None:
        with contextlib.suppress(OSError):
            handle.setsockopt(socket.IPPROTO_TCP, option, UNSENT_BYTES)
