"""How often visitors may do something: a token bucket for each network address, and one for all together."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from layercast_common.sockets.limits import address_key

#: Limit of remembered addresses.
MAX_ADDRESSES = 4096

#: All addresses together may do this many times as much as one.
CROWD = 4


@dataclass(slots=True)
class _Bucket:
    level: float
    at: float


class RateLimit:
    """A limit of actions.

    Args:
        per_minute: actions per minute of one address, in the long run.
        burst: actions that one address may do at once after a pause.
        clock: monotonic seconds.
    """

    def __init__(self, per_minute: float, burst: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = per_minute / 60
        self._burst = burst
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._all = _Bucket(CROWD * burst, clock())

    def take(self, address: str) -> float:
        """Count an action of an address; return 0, or the seconds to wait if it is one too many."""
        now = self._clock()
        key = address_key(address)
        own = self._buckets.setdefault(key, _Bucket(self._burst, now))
        self._buckets.move_to_end(key)
        if len(self._buckets) > MAX_ADDRESSES:
            self._buckets.popitem(last=False)
        pairs = ((own, 1), (self._all, CROWD))
        for bucket, share in pairs:
            bucket.level = min(share * self._burst, bucket.level + (now - bucket.at) * share * self._rate)
            bucket.at = now
        wait = max((1 - bucket.level) / (share * self._rate) for bucket, share in pairs)
        if wait > 0:
            return wait
        for bucket, _ in pairs:
            bucket.level -= 1
        return 0.0
