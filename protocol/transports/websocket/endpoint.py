"""WebSocket addresses: `ws://host:port` and `wss://host:port`."""

import asyncio
import ssl as tls
from collections import Counter
from functools import partial
from typing import Any, cast

from websockets.asyncio.client import connect as dial
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import InvalidHandshake, InvalidURI
from websockets.typing import Origin

from layercast_common.errors import ConnectError, ListenError, UsageError
from layercast_common.urls import bracketed, parse_address, public_url
from protocol.transports.base import DialOptions, Handler, Listener, ListenOptions
from protocol.transports.websocket.transport import OPTIONS, WebSocketTransport

#: How long opening a connection may take, in seconds.
OPEN_SECONDS = 10.0

#: How long a new peer may take for its handshake, in seconds.
HANDSHAKE_SECONDS = 5.0

#: The most concurrent handshakes of one address; further connections are reset.
MAX_OPENING = 64

_PORTS = {"ws": 80, "wss": 443}
_EXAMPLE = "ws://127.0.0.1:8765"


class _LimitedConnection(ServerConnection):
    """A connection that is reset if its address has too many unfinished handshakes.

    Args:
        openings: the number of unfinished handshakes by address.
    """

    def __init__(self, openings: Counter[str], *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._openings = openings
        self._counted_address = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the handshake of a new socket, or reset it."""
        super().connection_made(transport)
        address = str((transport.get_extra_info("peername") or ("unknown",))[0])
        if self._openings[address] >= MAX_OPENING:
            self.transport.abort()
            return
        self._counted_address = address
        self._openings[address] += 1

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop counting a socket that is closed."""
        self.end_opening()
        super().connection_lost(exc)

    def end_opening(self) -> None:
        """Stop counting the handshake; may be called twice."""
        address, self._counted_address = self._counted_address, ""
        if address:
            self._openings[address] -= 1
            if not self._openings[address]:
                del self._openings[address]


class WebSocketListener(Listener):
    """An open WebSocket server.

    Args:
        server: the server.
        url: its address.
    """

    def __init__(self, server: Server, url: str) -> None:
        self.url = url
        self._server = server

    async def close(self) -> None:
        """See `Listener.close`."""
        self._server.close()
        await self._server.wait_closed()


async def connect(url: str, options: DialOptions) -> WebSocketTransport:
    """Open a WebSocket to a receiver; see `addresses.open_transport`."""
    address = parse_address(url, _PORTS, _EXAMPLE)
    shown = public_url(url)
    # A proxy is for other machines.
    extra: dict[str, Any] = {"proxy": None} if address.is_loopback else {}
    if options.ssl is not None:
        extra["ssl"] = options.ssl
    try:
        return WebSocketTransport(await dial(url, open_timeout=OPEN_SECONDS, **OPTIONS, **extra))
    except InvalidURI as error:
        raise UsageError(f"'{shown}' is not an address; give one like {_EXAMPLE}") from error
    except InvalidHandshake as error:
        raise ConnectError(f"{shown} answers, but is no layercast receiver: {error}") from error
    except tls.SSLError as error:
        raise ConnectError(f"no secure connection to {shown}: {error.reason or error}") from error
    except (OSError, TimeoutError) as error:
        raise ConnectError(
            f"no receiver listens at {shown}; start one there: layercast receive --listen {shown}"
        ) from error


async def listen(url: str, handler: Handler, options: ListenOptions) -> WebSocketListener:
    """Listen for senders; port 0 takes a free one; see `addresses.open_listener`."""
    address = parse_address(url, _PORTS, _EXAMPLE)
    if (address.scheme == "wss") != (options.ssl is not None):
        raise UsageError(f"{url}: wss:// needs a certificate, and ws:// takes none")

    openings: Counter[str] = Counter()

    async def handle(connection: ServerConnection) -> None:
        cast(_LimitedConnection, connection).end_opening()
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
            create_connection=cast(type[ServerConnection], partial(_LimitedConnection, openings)),
            open_timeout=HANDSHAKE_SECONDS,
            **OPTIONS,
        )
    except OSError as error:
        free = f"{address.scheme}://{bracketed(address.host)}:0"
        raise ListenError(
            f"cannot listen on port {address.port} of {address.host} ({error.strerror or error}); "
            f"take another, or any free one: {free}"
        ) from error
    bound = server.sockets[0].getsockname()[1]
    return WebSocketListener(server, f"{address.scheme}://{bracketed(address.host)}:{bound}")
