"""Small HTTP servers inside a running event loop, which leave signals and logs to the program around them."""

import asyncio
import contextlib
import socket
import ssl as tls
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

from layercast_common.errors import ListenError
from layercast_common.urls import bracketed

if TYPE_CHECKING:
    from uvicorn import Server

#: Clients get this long, in seconds, to take the end of their answer before their connection is cut.
GRACE = 0.5


def quiet_server(app: Any, *, ssl: tls.SSLContext | None = None, behind_proxy: bool = False) -> "Server":
    """A server for an ASGI application.

    Args:
        app: the application.
        ssl: the certificate to show; plain HTTP if None.
        behind_proxy: whether to believe what a proxy on this machine says of a client's address. Where limits per
            address must not be at the mercy of a header, it is better not to.
    """
    import uvicorn

    class QuietServer(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            """Signals belong to the program around."""
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
    """A socket that listens.

    Args:
        host: a name or a number; "0.0.0.0" for the whole network.
        port: 0 takes a free one.
        option: which option of the command line chooses the address, for the error.

    Raises:
        ListenError: the address is taken, or not of this machine.
    """
    loop = asyncio.get_running_loop()
    listener = None
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        # "localhost" is both; browsers try both, other programs often only the older one.
        family, kind, protocol, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # The port as asked for: look-ups take it modulo 65,536.
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
    """Where a browser on this machine finds a listening socket."""
    name, port = listener.getsockname()[:2]
    if name in ("0.0.0.0", "::"):  # noqa: S104 - compared with, not bound to
        name = "localhost"
    return f"{scheme}://{bracketed(name)}:{port}/"


@contextlib.asynccontextmanager
async def serving(server: "Server", listener: socket.socket, *, on_end: Callable[[], None]) -> AsyncIterator[None]:
    """Serve for the time of the block.

    Args:
        server: from `quiet_server`.
        listener: from `open_socket`; closed at the end.
        on_end: called when the block ends, to end the answers that would go on for ever.
    """
    task = asyncio.create_task(server.serve(sockets=[listener]), name="serving")
    try:
        yield
    finally:
        server.should_exit = True
        on_end()
        await asyncio.wait([task], timeout=GRACE)
        for connection in list(server.server_state.connections):
            # A client that takes nothing any more would hold up the end for as long as it likes.
            if connection.transport is not None:
                connection.transport.abort()
        await asyncio.gather(task, return_exceptions=True)
