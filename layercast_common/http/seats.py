"""Seats: places for requests that last, such as event streams and uploads, limited in all and per address."""

from collections import Counter

from layercast_common.sockets.limits import address_key


class Seats:
    """A limited number of seats. A request takes one before its first `await`, so that two never share the last one.

    Args:
        total: the number of seats.
        per_address: seats that one network address may hold; a /64 network counts as one IPv6 address.
    """

    def __init__(self, total: int, per_address: int) -> None:
        self._total = total
        self._per_address = per_address
        self._taken: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        """Number of seats in use."""
        return self._taken.total()

    def take(self, address: str) -> "Seat | None":
        """Take a seat for a network address; None if there is none for it."""
        key = address_key(address)
        if self.taken >= self._total or self._taken[key] >= self._per_address:
            return None
        self._taken[key] += 1
        return Seat(self._taken, key)


class Seat:
    """A taken seat. Free it once the request has ended, however it ends."""

    def __init__(self, taken: Counter[str], key: str) -> None:
        self._taken = taken
        self._key = key
        self._free = False

    def free(self) -> None:
        """Free the seat; may be called twice."""
        if not self._free:
            self._free = True
            self._taken[self._key] -= 1
            if not self._taken[self._key]:
                del self._taken[self._key]
