"""Which pictures an archive holds, what each takes on disk, and which go first. Knows no files."""

from collections.abc import Collection
from datetime import datetime

from receiver.archive.names import Kept, time_of
from receiver.archive.retention import RetentionPolicy


class ArchiveIndex:
    """The pictures of an archive, whole or not: in the order of their times when it was opened, then as they came.

    Attributes:
        whole: those of which the whole stream is there, by label.
        parts: those of which a part is, by label.
        size: bytes on disk of all together.
    """

    def __init__(self) -> None:
        self.whole: dict[str, Kept] = {}
        self.parts: dict[str, Kept] = {}
        self.size = 0
        self._sizes: dict[Kept, int] = {}

    @property
    def pictures(self) -> list[Kept]:
        """All of them, oldest first."""
        return list(self._sizes)

    def grow(self, kept: Kept, more: int) -> None:
        """Note that a picture takes so many bytes more, or less."""
        self.size += more
        self._sizes[kept] = self._sizes.get(kept, 0) + more
        if not self._sizes[kept]:
            del self._sizes[kept]

    def remove(self, kept: Kept) -> None:
        """Note that nothing of a picture is there any more."""
        self.size -= self._sizes.pop(kept, 0)
        for index in (self.whole, self.parts):
            if index.get(kept.label) == kept:
                del index[kept.label]

    def doomed(self, bounds: RetentionPolicy, *, now: datetime, in_use: Collection[str], limit: int) -> list[Kept]:
        """The oldest pictures without which the others are within the bounds, at most `limit`.

        Those in use stay, by their labels, and so does the newest whatever its size.
        """
        oldest = bounds.oldest(now)
        first = "" if oldest is None else time_of(oldest)
        newest = next(reversed(self._sizes), None)
        doomed: list[Kept] = []
        left = self.size
        for kept, size in self._sizes.items():
            too_much = not bounds.allow(left) and kept != newest
            if len(doomed) == limit or not (too_much or kept.stem < first):
                break
            if kept.label not in in_use:
                doomed.append(kept)
                left -= size
        return doomed
