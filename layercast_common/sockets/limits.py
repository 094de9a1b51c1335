"""Which connections a listening socket keeps. Pure: connections are numbers, and times are passed in.

A connection *waits* while it has sent no whole request; anyone can open such connections without a token, so they give
way. One with a request in progress is *busy* and stays.
"""

import ipaddress
import sys
from collections import Counter
from dataclasses import dataclass

if sys.platform != "win32":
    import resource

#: Descriptors kept for files, models and libraries, unless the process may open so few that this is more than half.
RESERVED = 128

#: Part of the other descriptors that each listening socket may take; a process has a page and an address for senders.
SHARE = 0.4

#: Descriptors on systems that name no limit, and the most that are counted on.
MOST_DESCRIPTORS = 65_536

#: The fewest connections that a listening socket accepts, however few descriptors there are.
FEWEST = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """Limits of one listening socket.

    Attributes:
        total: connections at a time.
        per_address: connections at a time from one network address; a /64 network counts as one IPv6 address.
        waiting_seconds: how long a connection may wait: for the TLS handshake and the whole head of a request.
    """

    total: int
    per_address: int
    waiting_seconds: float = 5.0

    @classmethod
    def for_process(cls, most: int, of_one: int = 0, *, descriptors: int | None = None) -> "ConnectionLimits":
        """Build limits that leave descriptors for everything else that this process opens.

        Args:
            most: connections at a time if there are descriptors enough.
            of_one: connections that one address must be able to open; half of all if that is more.
            descriptors: the process's limit of descriptors; None asks the system.
        """
        limit = descriptor_limit() if descriptors is None else descriptors
        free = max(limit - RESERVED, limit // 2)
        total = max(FEWEST, min(most, int(free * SHARE)))
        return cls(total=total, per_address=min(total, max(FEWEST, total // 2, of_one)))


def descriptor_limit() -> int:
    """Return how many descriptors this process may open, at most `MOST_DESCRIPTORS`."""
    if sys.platform == "win32":
        return MOST_DESCRIPTORS
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return MOST_DESCRIPTORS if soft == resource.RLIM_INFINITY else min(soft, MOST_DESCRIPTORS)


def address_key(address: str) -> str:
    """Return what limits count an address as: the /64 network of an IPv6 address, an IPv4 address as it is.

    An IPv4 address that IPv6 carries (`::ffff:192.0.2.7`) counts as the IPv4 address. Text that is no address stays.
    """
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


class ConnectionTable:
    """The open connections of one listening socket.

    Args:
        limits: the limits.
    """

    def __init__(self, limits: ConnectionLimits) -> None:
        self._limits = limits
        self._addresses: dict[int, str] = {}
        self._counts: Counter[str] = Counter()
        #: By address: the waiting connections and since when, oldest first.
        self._waiting: dict[str, dict[int, float]] = {}

    def __len__(self) -> int:
        return len(self._addresses)

    def admit(self, connection: int, address: str, now: float) -> int | None:
        """Add a new connection, which waits.

        If a limit is reached, the connection that has waited longest is removed for it: of the same address at that
        address's limit, else of the address with the most waiting ones. If none waits, the new connection itself is
        not added.

        Args:
            connection: its number.
            address: the peer's address.
            now: seconds.

        Returns:
            The connection to close: another one, or `connection` itself; None if all stay.
        """
        key = address_key(address)
        evicted = None
        if self._counts[key] >= self._limits.per_address:
            evicted = self._longest_waiting(key)
        elif len(self) >= self._limits.total:
            fullest = max(self._waiting, key=lambda one: len(self._waiting[one]), default="")
            evicted = self._longest_waiting(fullest)
        else:
            self._add(connection, key, now)
            return None
        if evicted is None:
            return connection
        self.remove(evicted)
        self._add(connection, key, now)
        return evicted

    def begin(self, connection: int) -> None:
        """Mark a connection as busy: it has sent a whole request."""
        key = self._addresses.get(connection)
        if key is not None:
            self._end_waiting(connection, key)

    def wait(self, connection: int, now: float) -> None:
        """Mark a connection as waiting: its request is answered."""
        key = self._addresses.get(connection)
        if key is not None:
            self._end_waiting(connection, key)
            self._waiting.setdefault(key, {})[connection] = now

    def remove(self, connection: int) -> None:
        """Remove a closed connection; an unknown one is ignored."""
        key = self._addresses.pop(connection, None)
        if key is None:
            return
        self._end_waiting(connection, key)
        self._counts[key] -= 1
        if not self._counts[key]:
            del self._counts[key]

    def overdue(self, now: float) -> list[int]:
        """Return the connections that have waited too long."""
        until = now - self._limits.waiting_seconds
        return [one for waiting in self._waiting.values() for one, since in waiting.items() if since <= until]

    def _add(self, connection: int, key: str, now: float) -> None:
        self._addresses[connection] = key
        self._counts[key] += 1
        self._waiting.setdefault(key, {})[connection] = now

    def _longest_waiting(self, key: str) -> int | None:
        return next(iter(self._waiting.get(key, ())), None)

    def _end_waiting(self, connection: int, key: str) -> None:
        waiting = self._waiting.get(key)
        if waiting is not None:
            waiting.pop(connection, None)
            if not waiting:
                del self._waiting[key]
