"""Wrong tokens by network address: who guesses has to wait, and a right token always gets in."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable

from layercast_common.sockets.limits import address_key

#: Wrong tokens that one address may send within a time, in seconds; and the limit of remembered addresses.
MAX_TRIES = 10
TRIES_SECONDS = 60.0
MAX_ADDRESSES = 4096

#: How long each further token from such an address waits until it is looked at, in seconds.
WAIT_SECONDS = 3.0


class TokenAttempts:
    """Counts wrong tokens. All ports that accept the same tokens share one.

    An address that sent `MAX_TRIES` wrong tokens waits before each further one. Right and wrong tokens wait alike, so
    that the time shows nothing, and then the right one gets in: others behind the same address, such as a proxy or a
    NAT, cannot lock anyone out. Guesses cost `WAIT_SECONDS` each, for as many connections as one address may open.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tries: OrderedDict[str, list[float]] = OrderedDict()

    def wait_seconds(self, address: str) -> float:
        """Return how long the next token from an address has to wait."""
        return WAIT_SECONDS if len(self._recent(address_key(address))) >= MAX_TRIES else 0.0

    async def wait(self, address: str) -> None:
        """Wait as long as the next token from an address has to. Call it before the token is looked at."""
        if seconds := self.wait_seconds(address):
            await asyncio.sleep(seconds)

    def record_failure(self, address: str) -> None:
        """Record a wrong token from an address."""
        key = address_key(address)
        recent = [*self._recent(key), self._clock()][-MAX_TRIES:]
        self._tries.pop(key, None)
        self._tries[key] = recent
        if len(self._tries) > MAX_ADDRESSES:
            self._tries.popitem(last=False)

    def _recent(self, key: str) -> list[float]:
        since = self._clock() - TRIES_SECONDS
        return [at for at in self._tries.get(key, ()) if at > since]
