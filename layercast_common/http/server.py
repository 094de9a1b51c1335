"""Small HTTP servers inside a running event loop. Signals and logging stay with the program around them."""

import asyncio
import contextlib
import logging
import socket
import ssl as tls
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, cast

from layercast_common.sockets.listener import LimitedListener, open_listener_socket
from layercast_common.tasks import BackgroundTasks
from layercast_common.urls import bracketed, dialled

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send
    from uvicorn import Server

#: Time for clients to receive the end of their response before their connection is aborted, in seconds.
GRACE = 0.5

#: Connections of one server at a time, if the process may open enough descriptors.
MOST_CONNECTIONS = 512

_log = logging.getLogger(__name__)


def quiet_server(
    app: "ASGIApp", listener: LimitedListener, *, ssl: tls.SSLContext | None = None, behind_proxy: bool = False
) -> "Server":
    """Build a server for an ASGI application.

    Args:
        app: the application.
        listener: the socket, from `open_socket`.
        ssl: the server's certificate; plain HTTP if None.
        behind_proxy: whether to trust the client address that a proxy on this machine reports in its headers. Leave it
            off where limits per address must not depend on a header.
    """
    import uvicorn

    from layercast_common.http.protocol import LimitedProtocol

    class QuietServer(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            """Leave signals to the program."""
            yield

        async def on_tick(self, counter: int) -> bool:
            """Every second, end the connections that send too slowly."""
            if counter % 10 == 0:
                listener.close_overdue()
                for connection in list(self.server_state.connections):
                    if isinstance(connection, LimitedProtocol) and connection.is_slow():
                        connection.transport.abort()
            return await super().on_tick(counter)

    # Warnings of this logger are about single requests, which anyone may send.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    config = uvicorn.Config(
        _without_disconnects(app),
        http=cast(type[asyncio.Protocol], partial(LimitedProtocol, listener)),
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=behind_proxy,
    )
    config.load()
    config.ssl = ssl
    return QuietServer(config)


def _without_disconnects(app: "ASGIApp") -> "ASGIApp":
    """Return an application that ends quietly when its client leaves before the whole request has come."""
    from starlette.requests import ClientDisconnect

    async def quiet_app(scope: "Scope", receive: "Receive", send: "Send") -> None:
        try:
            await app(scope, receive, send)
        except ClientDisconnect:
            _log.debug("a client left in the middle of its request")

    return quiet_app


async def open_socket(host: str, port: int, *, option: str) -> LimitedListener:
    """Open a listening socket for an HTTP server.

    Args:
        host: a host name or IP address; "0.0.0.0" for all interfaces, "::" for all of IPv6 as well.
        port: the port; 0 for a free one.
        option: the command line option that sets the address, for the error text.

    Raises:
        ListenError: the address is in use, or does not belong to this machine.
    """
    what = option.removeprefix("--")

    def refusal(reason: str) -> str:
        return f"the {what} cannot listen on {bracketed(host)}:{port} ({reason}); choose another {option}"

    return await open_listener_socket(host, port, most=MOST_CONNECTIONS, refusal=refusal)


def url_of(listener: socket.socket, scheme: str = "http") -> str:
    """Return the URL of a listening socket for a browser on this machine."""
    name, port = listener.getsockname()[:2]
    return f"{scheme}://{bracketed(dialled(name))}:{port}/"


@contextlib.asynccontextmanager
async def serving(server: "Server", listener: LimitedListener, *, on_end: Callable[[], None]) -> AsyncIterator[None]:
    """Serve while the block runs. If the server fails, the block is cancelled and the error raised.

    Args:
        server: the server, from `quiet_server`.
        listener: the socket, from `open_socket`; closed at the end.
        on_end: called when the block ends, to end responses that have no end of their own.
    """
    async with BackgroundTasks("the HTTP server") as tasks:
        task = tasks.start(server.serve(sockets=[listener]), name="HTTP server")
        try:
            yield
        finally:
            server.should_exit = True
            on_end()
            await asyncio.wait([task], timeout=GRACE)
            for connection in list(server.server_state.connections):
                # A client that stopped reading would delay the shutdown indefinitely.
                if connection.transport is not None:
                    connection.transport.abort()
            await asyncio.wait([task])
