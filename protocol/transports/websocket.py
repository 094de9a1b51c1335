"""Packets over WebSockets (RFC 6455), one binary message each.

A WebSocket accepts megabytes that the link has not carried yet, and whatever it accepted cannot be overtaken. So
nothing here tries to be clever: the protocol limits what is unacknowledged, and the limits below only bound memory.
Compression is off: payloads are entropy-coded already, and it costs 32 KiB per connection. Keepalive is the protocol's
own: a ping of WebSockets waits behind data, and its timeout kills healthy slow links.
"""

import contextlib
import ipaddress
import logging
import socket
import ssl as tls
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.typing import Origin, Subprotocol

from layercast_errors import ConnectError, DisconnectedError, ListenError, UsageError
from protocol.limits import MAX_PACKET
from protocol.transports.base import Handler, Listener, Transport

SUBPROTOCOL = Subprotocol("layercast.v1")

#: How long opening may take, in seconds.
OPEN_SECONDS = 10.0

#: How long the far side may take to close, in seconds.
CLOSE_SECONDS = 2.0

#: Our codes stand in WebSocket close codes from here on, in the range for private use.
CLOSE_CODES = 4000

#: Bytes that the kernel may hold unsent.
UNSENT_BYTES = 4096

_OPTIONS: dict[str, Any] = {
    "subprotocols": [SUBPROTOCOL],
    "compression": None,
    "ping_interval": None,
    "ping_timeout": None,
    "open_timeout": OPEN_SECONDS,
    "close_timeout": CLOSE_SECONDS,
    "max_size": 4 * MAX_PACKET,
    "max_queue": (8, 2),
    "write_limit": (2048, 512),
    "logger": logging.getLogger("layercast.websocket"),
}


class WebSocketTransport(Transport):
    """An open WebSocket."""

    def __init__(self, connection: ClientConnection | ServerConnection) -> None:
        self.mtu = MAX_PACKET
        self.reliable = True
        self.ordered = True
        self.rate_hint = 0.0
        address = connection.remote_address
        self.peer = str(address[0]) if address else "unknown"
        self._connection = connection
        _bound_kernel_buffer(connection)

    async def send(self, packet: bytes) -> None:
        """See `Transport.send`."""
        try:
            await self._connection.send(packet)
        except ConnectionClosed as error:
            raise DisconnectedError(f"the connection to {self.peer} is gone") from error

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


class WebSocketListener(Listener):
    """An open server."""

    def __init__(self, server: Server, url: str) -> None:
        self.url = url
        self._server = server

    async def close(self) -> None:
        """See `Listener.close`."""
        self._server.close()
        await self._server.wait_closed()


async def connect_websocket(url: str, *, ssl: tls.SSLContext | None = None) -> WebSocketTransport:
    """Open a WebSocket to a receiver.

    Args:
        url: `ws://host:port` or `wss://host:port`.
        ssl: for `wss://`, which certificates to trust; the system's by default.

    Raises:
        ConnectError: nobody answers there, or it is no receiver.
        UsageError: the address is not one.
    """
    host, _ = _host_and_port(url)
    # A proxy is for the outside world; on this machine it only gets in the way.
    options = _OPTIONS | ({"proxy": None} if _is_loopback(host) else {}) | ({"ssl": ssl} if ssl is not None else {})
    try:
        return WebSocketTransport(await connect(url, **options))
    except InvalidURI as error:
        raise UsageError(f"'{url}' is not an address; give one like ws://127.0.0.1:8765") from error
    except InvalidHandshake as error:
        raise ConnectError(f"{url} answers, but is no layercast receiver: {error}") from error
    except tls.SSLError as error:
        raise ConnectError(f"no secure connection to {url}: {error.reason or error}") from error
    except (OSError, TimeoutError) as error:
        raise ConnectError(
            f"nobody listens at {url}; start a receiver there: layercast receive --listen {url}"
        ) from error


async def listen_websocket(
    url: str,
    handler: Handler,
    *,
    ssl: tls.SSLContext | None = None,
    origins: Sequence[str] = (),
) -> WebSocketListener:
    """Wait for senders.

    Args:
        url: `ws://host:port` or `wss://host:port`; port 0 takes a free one.
        handler: what to do with each sender; its WebSocket is closed when this returns.
        ssl: for `wss://`, the certificate to show.
        origins: the web pages that may connect from a browser, like `https://example.org`. Programs that are no
            browsers always may: only a browser acts on behalf of a page that its user did not choose.

    Raises:
        ListenError: the address cannot be listened on.
        UsageError: the address is not one, or `wss://` lacks its certificate.
    """
    host, port = _host_and_port(url)
    scheme = urlsplit(url).scheme
    if (scheme == "wss") != (ssl is not None):
        raise UsageError(f"{url}: wss:// needs a certificate, and ws:// takes none")

    async def handle(connection: ServerConnection) -> None:
        transport = WebSocketTransport(connection)
        try:
            await handler(transport)
        finally:
            await transport.close()

    allowed = [None, *(Origin(origin) for origin in origins)]
    try:
        server = await serve(handle, host, port, origins=allowed, ssl=ssl, server_header=None, **_OPTIONS)
    except OSError as error:
        free = f"{scheme}://{_bracketed(host)}:0"
        raise ListenError(
            f"cannot listen on port {port} of {host} ({error.strerror or error}); take another, or any free one: {free}"
        ) from error
    bound = server.sockets[0].getsockname()[1]
    return WebSocketListener(server, f"{scheme}://{_bracketed(host)}:{bound}")


def _host_and_port(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"'{url}' is not an address; give one like ws://127.0.0.1:8765") from error
    if parts.scheme not in ("ws", "wss") or not host:
        raise UsageError(f"'{url}' is not an address; give one like ws://127.0.0.1:8765")
    return host, port if port is not None else {"ws": 80, "wss": 443}[parts.scheme]


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _is_loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _bound_kernel_buffer(connection: ClientConnection | ServerConnection) -> None:
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    handle = connection.transport.get_extra_info("socket")
    if option is not None and handle is not None:
        with contextlib.suppress(OSError):
            handle.setsockopt(socket.IPPROTO_TCP, option, UNSENT_BYTES)
