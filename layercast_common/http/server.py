"""Small HTTP servers inside a running event loop. Signals and logging stay with the program around them."""

import asyncio
import contextlib
import socket
import ssl as tls
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

from layercast_common.errors import ListenError
from layercast_common.tasks import BackgroundTasks
from layercast_common.urls import bracketed

if TYPE_CHECKING:
    from uvicorn import Server

#: Time for clients to receive the end of their response before their connection is aborted, in seconds.
GRACE = 0.5


def quiet_server(app: Any, *, ssl: tls.SSLContext | None = None, behind_proxy: bool = False) -> "Server":
    """Build a server for an ASGI application.

    Args:
        app: the application.
        ssl: the server's certificate; plain HTTP if None.
        behind_proxy: whether to trust the client address that a proxy on this machine reports in its headers. Leave it
            off where limits per address must not depend on a header.
    """
    import uvicorn

    class QuietServer(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            """Leave signals to the program."""
            yield

    config = uvicorn.Config(
        app,
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


async def open_socket(host: str, port: int, *, option: str) -> socket.socket:
    """Open a listening socket.

    Args:
        host: a host name or IP address; "0.0.0.0" for all interfaces.
        port: the port; 0 for a free one.
        option: the command line option that sets the address, for the error text.

    Raises:
        ListenError: the address is in use, or does not belong to this machine.
    """
    loop = asyncio.get_running_loop()
    listener = None
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        # "localhost" resolves to IPv6 and IPv4. Browsers try both, other programs often only IPv4.
        family, kind, protocol, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # `port` and not the resolved one: getaddrinfo takes ports modulo 65,536.
        listener.bind((address[0], port, *address[2:]))
        listener.listen()
    except (OSError, OverflowError) as error:
        if listener is not None:
            listener.close()
        reason = getattr(error, "strerror", None) or error
        what = option.removeprefix("--")
        raise ListenError(f"the {what} cannot listen on {host}:{port} ({reason}); choose another {option}") from error
    return listener


def url_of(listener: socket.socket, scheme: str = "http") -> str:
    """Return the URL of a listening socket for a browser on this machine."""
    name, port = listener.getsockname()[:2]
    if name in ("0.0.0.0", "::"):  # noqa: S104 - compared with, not bound to
        name = "localhost"
    return f"{scheme}://{bracketed(name)}:{port}/"


@contextlib.asynccontextmanager
async def serving(server: "Server", listener: socket.socket, *, on_end: Callable[[], None]) -> AsyncIterator[None]:
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
