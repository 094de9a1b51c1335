"""WebSocket addresses: `ws://host:port` and `wss://host:port`."""

import ssl as tls
from functools import partial
from typing import Any

from websockets.asyncio.client import connect as dial
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import InvalidHandshake, InvalidProxy, InvalidURI, ProxyError
from websockets.typing import Origin

from layercast_common.errors import ConnectError, UsageError
from layercast_common.sockets.listener import open_listener_socket
from layercast_common.urls import bracketed, dialled, parse_address, public_url
from protocol.transports.base import DialOptions, Handler, Listener, ListenOptions, listen_refusal
from protocol.transports.websocket.proxies import proxy_error, proxy_for
from protocol.transports.websocket.transport import OPTIONS, WebSocketTransport

#: How long opening a connection may take, in seconds.
OPEN_SECONDS = 10.0

#: How long a new peer may take for its handshake, in seconds.
HANDSHAKE_SECONDS = 5.0

#: Unfinished handshakes at a time, in addition to the peers.
MAX_OPENING = 64

_PORTS = {"ws": 80, "wss": 443}
_EXAMPLE = "ws://127.0.0.1:8765"


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
    proxy = proxy_for(address) if options.proxy else None
    extra: dict[str, Any] = {"proxy": proxy}
    if options.ssl is not None:
        extra["ssl"] = options.ssl
    if "%" in address.host:
        # The library would take the zone for a part of the name.
        extra |= {"host": address.host, "port": address.port}
    try:
        return WebSocketTransport(await dial(url, open_timeout=OPEN_SECONDS, **OPTIONS, **extra))
    except InvalidURI as error:
        raise UsageError(f"'{shown}' is not an address; give one like {_EXAMPLE}") from error
    except (ImportError, InvalidProxy, ProxyError) as error:
        raise proxy_error(proxy, shown, error) from error
    except InvalidHandshake as error:
        raise ConnectError(f"{shown} answers, but is no layercast receiver: {error}") from error
    except tls.SSLError as error:
        raise ConnectError(f"no secure connection to {shown}: {error.reason or error}") from error
    except (OSError, TimeoutError) as error:
        if proxy is not None:
            raise proxy_error(proxy, shown, error) from error
        raise ConnectError(
            f"no receiver listens at {shown}; start one there: layercast receive --listen {shown}"
        ) from error


async def listen(url: str, handler: Handler, options: ListenOptions) -> WebSocketListener:
    """Listen for senders; port 0 takes a free one; see `addresses.open_listener`."""
    address = parse_address(url, _PORTS, _EXAMPLE)
    if (address.scheme == "wss") != (options.ssl is not None):
        raise UsageError(f"{url}: wss:// needs a certificate, and ws:// takes none")

    listener = await open_listener_socket(
        address.host,
        address.port,
        most=options.connections + MAX_OPENING,
        of_one=options.connections_per_address + MAX_OPENING,
        refusal=partial(listen_refusal, address),
    )

    async def handle(connection: ServerConnection) -> None:
        listener.begin(connection.transport.get_extra_info("socket").fileno())
        transport = WebSocketTransport(connection)
        try:
            await handler(transport)
        finally:
            await transport.close()

    allowed = [None, *(Origin(origin) for origin in options.origins)]
    server = await serve(
        handle,
        sock=listener,
        origins=allowed,
        ssl=options.ssl,
        server_header=None,
        open_timeout=HANDSHAKE_SECONDS,
        **OPTIONS,
    )
    bound = listener.getsockname()[1]
    return WebSocketListener(server, f"{address.scheme}://{bracketed(dialled(address.host))}:{bound}")
