"""Retention policy of an archive: total size and age."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from layercast_common.errors import UsageError

#: Default size limit of an archive, in bytes.
KEEP_BYTES = 10_000_000_000

#: Longest retention time, in days. For more, set no limit.
MAX_DAYS = 36_500


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPolicy:
    """Limits of an archive.

    Attributes:
        size: limit for all files together, in bytes on disk; None for no limit.
        days: how long after its first packet a picture is kept; None for no limit.

    Raises:
        UsageError: a limit is out of range.
    """

    size: int | None = None
    days: float | None = None

    def __post_init__(self) -> None:
        if self.size is not None and self.size < 1:
            raise UsageError(f"an archive keeps at least 1 byte, not {self.size}; to keep nothing, set no archive")
        if self.days is not None and not 0 < self.days <= MAX_DAYS:
            raise UsageError(f"pictures are kept for more than 0 and up to {MAX_DAYS} days, not {self.days:g}")

    @property
    def evicts(self) -> bool:
        """Whether there is any limit."""
        return self.size is not None or self.days is not None

    def allows(self, size: int) -> bool:
        """Return whether a total size, in bytes, is within the limit."""
        return size <= (math.inf if self.size is None else self.size)

    def cutoff(self, now: datetime) -> datetime | None:
        """Return the time before which pictures are too old; None without an age limit."""
        return None if self.days is None else now - timedelta(days=self.days)
