"""A listening socket that keeps within its limits, whichever server of an asyncio event loop accepts from it."""

import asyncio
import errno
import logging
import socket
import time
from collections.abc import Callable
from typing import Any

from layercast_common.errors import ListenError
from layercast_common.sockets.limits import ConnectionLimits, ConnectionTable

#: Connections that may be shut down and not yet closed: the event loop closes them between two rounds of accepting.
CLOSING = 8

#: Errors of a process or system without descriptors or memory for another connection.
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

#: How long asyncio stops accepting after such an error, in seconds. It logs the error each time.
_PAUSE_SECONDS = 1.0

_log = logging.getLogger(__name__)


class LimitedListener(socket.socket):
    """A listening socket. Use it from one event loop.

    asyncio has no limits of its own, and without free descriptors it would log an error thousands of times per second.
    Connections are counted from `accept` until their descriptor is closed, so a TLS handshake counts as well.

    Args:
        family, kind, protocol: as for `socket.socket`.
        limits: the limits.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        family: int,
        kind: int,
        protocol: int,
        *,
        limits: ConnectionLimits,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(family, kind, protocol)
        self.limits = limits
        self._clock = clock
        self._table = ConnectionTable(limits)
        self._open: dict[int, _Accepted] = {}
        self._closing: set[int] = set()
        self._paused_at = float("-inf")

    @property
    def connections(self) -> int:
        """Number of open connections."""
        return len(self._open)

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept a connection within the limits.

        Raises:
            BlockingIOError: no connection waits, or others must close first.
            OSError: there are no free descriptors; at most once per `_PAUSE_SECONDS`.
        """
        while len(self._closing) < CLOSING:
            try:
                plain, peer = self._accept_plain()
            except OSError as error:
                # asyncio calls again at once, up to 2,048 times, before it pauses.
                if error.errno in _EXHAUSTED and self._clock() - self._paused_at < _PAUSE_SECONDS / 2:
                    raise BlockingIOError from error
                if error.errno in _EXHAUSTED:
                    self._paused_at = self._clock()
                raise
            accepted = _Accepted(plain, self._forget)
            number = accepted.fileno()
            self._open[number] = accepted
            closed = self._table.admit(number, str(peer[0]), self._clock())
            if closed != number:
                if closed is not None:
                    self._shut_down(closed)
                return accepted, peer
            accepted.close()
        raise BlockingIOError

    def _accept_plain(self) -> tuple[socket.socket, Any]:
        return super().accept()

    def begin(self, connection: int) -> None:
        """Mark a connection as busy, by the number of its descriptor: it has sent a whole request."""
        self._table.begin(connection)

    def wait(self, connection: int) -> None:
        """Mark a connection as waiting for its next request."""
        self._table.wait(connection, self._clock())

    def close_overdue(self) -> None:
        """Close the connections that have sent no whole request in time."""
        for connection in self._table.overdue(self._clock()):
            self._table.remove(connection)
            self._shut_down(connection)

    def _shut_down(self, connection: int) -> None:
        """End a connection: its server reads the end of the data, and closes it."""
        self._closing.add(connection)
        self._open[connection].end()

    def _forget(self, connection: int) -> None:
        self._closing.discard(connection)
        self._open.pop(connection, None)
        self._table.remove(connection)


class _Accepted(socket.socket):
    """An accepted connection that reports when its descriptor is closed."""

    def __init__(self, plain: socket.socket, on_close: Callable[[int], None]) -> None:
        family, kind, protocol = plain.family, plain.type, plain.proto
        super().__init__(family, kind, protocol, fileno=plain.detach())
        self._number = self.fileno()
        self._on_close = on_close

    def end(self) -> None:
        """Shut both directions down; the descriptor stays open."""
        try:
            self.shutdown(socket.SHUT_RDWR)
        except OSError as error:
            _log.debug("a connection is closed already: %s", error)

    def close(self) -> None:
        """Close the descriptor."""
        if self.fileno() >= 0:
            self._on_close(self._number)
        super().close()


async def open_listener_socket(
    host: str, port: int, *, most: int, of_one: int = 0, refusal: Callable[[str], str]
) -> LimitedListener:
    """Open a listening socket. "::" takes IPv4 as well, as "0.0.0.0" takes all interfaces.

    Args:
        host: a host name or IP address; an IPv6 address may name its zone, as in `fe80::1%eth0`.
        port: the port; 0 for a free one.
        most, of_one: connections at a time, and those that one address must be able to open, if the process may open
            enough descriptors.
        refusal: returns the error text for the system's reason.

    Raises:
        ListenError: the address is in use, or does not belong to this machine.
    """
    loop = asyncio.get_running_loop()
    listener = None
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        # "localhost" resolves to IPv6 and IPv4. Browsers try both, other programs often only IPv4.
        family, kind, protocol, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
        listener = LimitedListener(family, kind, protocol, limits=ConnectionLimits.for_process(most, of_one))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and socket.has_dualstack_ipv6():
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        # `port` and not the resolved one: getaddrinfo takes ports modulo 65,536.
        listener.bind((address[0], port, *address[2:]))
        listener.listen()
    except (OSError, OverflowError, UnicodeError) as error:
        if listener is not None:
            listener.close()
        raise ListenError(refusal(str(getattr(error, "strerror", None) or error))) from error
    return listener
