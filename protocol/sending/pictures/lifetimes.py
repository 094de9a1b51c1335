"""The deadline of a picture and the lifetimes of its sections."""

import math
from collections.abc import Iterable

from protocol.sending.pictures.fragmentation import LAST_NUMBER, PictureToSend


class Lifetimes:
    """The times at which parts of one picture expire.

    Args:
        picture: the picture, with its deadline and the lifetimes of its sections.
    """

    def __init__(self, picture: PictureToSend) -> None:
        self._picture = picture
        self._started_at: float | None = None
        self._expiries: dict[int, float] = {}

    def start(self, now: float) -> None:
        """Start the lifetimes, unless they have started."""
        if self._started_at is None:
            self._started_at = now
            lifetimes = ((index, section.lifetime) for index, section in enumerate(self._picture.sections))
            self._expiries = {index: now + lifetime for index, lifetime in lifetimes if not math.isinf(lifetime)}

    def expired(self, now: float) -> int:
        """Return the expired sections, bit i for section i."""
        return sum(1 << index for index, expiry in self._expiries.items() if now >= expiry)

    def next_expiry(self, sections: Iterable[int]) -> float:
        """Return when the next of some sections expires, in seconds; infinite if none does."""
        return min((self._expiries.get(index, math.inf) for index in sections), default=math.inf)

    def milliseconds(self) -> int:
        """Return the picture's lifetime as announced in its OFFER, in milliseconds; 0 if it has no deadline."""
        if math.isinf(self._picture.deadline):
            return 0
        assert self._started_at is not None, "lifetimes start before the OFFER is sent"
        return min(LAST_NUMBER, max(1, math.ceil(1000 * (self._picture.deadline - self._started_at))))
