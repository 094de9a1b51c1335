"""Index of an archive: its pictures, their sizes on disk, and the order of eviction. Touches no files."""

from collections.abc import Collection
from datetime import datetime, timedelta

from receiver.archive.names import ArchivedPicture, format_time
from receiver.archive.retention import RetentionPolicy

#: How much later than the clock a picture may be: a clock that is set by a few seconds is not wrong.
_TOLERANCE = timedelta(hours=1)


class ArchiveIndex:
    """The pictures of an archive: by time when it was opened, then in order of arrival.

    Attributes:
        whole: pictures with a complete stream, by label.
        parts: pictures with a partial stream, by label.
        size: bytes on disk of all files.
    """

    def __init__(self) -> None:
        self.whole: dict[str, ArchivedPicture] = {}
        self.parts: dict[str, ArchivedPicture] = {}
        self.size = 0
        self._sizes: dict[ArchivedPicture, int] = {}
        #: Pictures whose names say nothing about their age, and the time that counts for them instead.
        self._ageless: frozenset[ArchivedPicture] = frozenset()
        self._ageless_since = ""

    @property
    def pictures(self) -> list[ArchivedPicture]:
        """All pictures, oldest first."""
        return list(self._sizes)

    def resize(self, picture: ArchivedPicture, change: int) -> None:
        """Add `change` bytes, which may be negative, to the size of a picture. A picture of size 0 is removed."""
        self.size += change
        self._sizes[picture] = self._sizes.get(picture, 0) + change
        if not self._sizes[picture]:
            del self._sizes[picture]

    def remove(self, picture: ArchivedPicture) -> None:
        """Remove a picture from the index."""
        self.size -= self._sizes.pop(picture, 0)
        for index in (self.whole, self.parts):
            if index.get(picture.label) == picture:
                del index[picture.label]

    def distrust_clock(self, policy: RetentionPolicy, *, now: datetime) -> bool:
        """Check the present pictures against the clock, before any new one; return whether they contradict each other.

        If the newest picture is later than the clock, or too old like all others, the clock may be wrong, now or when
        the pictures arrived. Their age then counts from now.
        """
        cutoff, newest = policy.cutoff(now), next(reversed(self._sizes), None)
        if cutoff is None or newest is None or format_time(cutoff) <= newest.stem <= format_time(now + _TOLERANCE):
            return False
        self._ageless, self._ageless_since = frozenset(self._sizes), format_time(now)
        return True

    def select_expired(
        self, policy: RetentionPolicy, *, now: datetime, in_use: Collection[str], limit: int
    ) -> list[ArchivedPicture]:
        """Return the pictures to evict, oldest first. The newest picture is exempt from the size limit.

        Args:
            policy: the limits.
            now: the present time.
            in_use: labels of pictures that must stay.
            limit: the most pictures to return.
        """
        cutoff = policy.cutoff(now)
        first = "" if cutoff is None else format_time(cutoff)
        newest = next(reversed(self._sizes), None)
        expired: list[ArchivedPicture] = []
        left = self.size
        for picture, size in self._sizes.items():
            too_much = not policy.allows(left) and picture != newest
            since = self._ageless_since if picture in self._ageless else picture.stem
            if len(expired) == limit or not (too_much or since < first):
                break
            if picture.label not in in_use:
                expired.append(picture)
                left -= size
        return expired
