"""How much an archive keeps, and for how long."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from layercast_common.errors import UsageError

#: What an archive keeps unless told otherwise, in bytes.
KEEP_BYTES = 10_000_000_000

#: The longest time that may be named, in days; whoever wants more wants everything.
MAX_DAYS = 36_500


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPolicy:
    """What an archive may hold.

    Attributes:
        size: bytes on disk; None for any number.
        days: how long after its first packet a picture is kept; None for ever.

    Raises:
        UsageError: they make no sense.
    """

    size: int | None = None
    days: float | None = None

    def __post_init__(self) -> None:
        if self.size is not None and self.size < 1:
            raise UsageError(f"an archive keeps at least a byte, not {self.size}; to keep nothing, name no archive")
        if self.days is not None and not 0 < self.days <= MAX_DAYS:
            raise UsageError(f"pictures are kept for more than 0 and up to {MAX_DAYS} days, not {self.days:g}")

    @property
    def any(self) -> bool:
        """Whether pictures ever go."""
        return self.size is not None or self.days is not None

    def allow(self, size: int) -> bool:
        """Whether so many bytes are within them."""
        return size <= (math.inf if self.size is None else self.size)

    def oldest(self, now: datetime) -> datetime | None:
        """When the oldest picture that is kept may have begun; None if that does not matter."""
        return None if self.days is None else now - timedelta(days=self.days)
