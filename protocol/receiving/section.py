"""One section on its way in: its fragments, and the repair that stands in for those that are missing."""

import zlib
from dataclasses import dataclass, field

from layercast_common.errors import PacketError
from protocol.recovery.fec_policy import groups
from protocol.recovery.reed_solomon import rebuild_pieces
from protocol.wire.fields import Part, SectionEntry, bits


class ContradictionError(Exception):
    """Two packets of a picture cannot both be right."""


@dataclass(slots=True)
class IncomingSection:
    """What is held of a section.

    Attributes:
        entry: what the OFFER says of it.
        fragment_size: bytes of a fragment; the last one may be shorter.
        payload: its bytes, once all are there.
        dropped: whether the rest will not come.
    """

    entry: SectionEntry
    fragment_size: int
    payload: bytes | None = None
    dropped: bool = False
    _fragments: dict[int, bytes] = field(default_factory=dict)
    _repairs: dict[int, dict[int, bytes]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many fragments it has."""
        return -(-self.entry.length // self.fragment_size)

    @property
    def open(self) -> bool:
        """Whether more of it is waited for."""
        return self.payload is None and not self.dropped

    @property
    def repair_bytes(self) -> int:
        """Bytes of repair that are held."""
        return sum(len(piece) for pieces in self._repairs.values() for piece in pieces.values())

    def part(self, index: int) -> Part | None:
        """The fragments that are held of it as section `index`, if it is not complete and there are any."""
        return Part(section=index, fragments=bits(list(self._fragments))) if self._fragments else None

    def add(self, index: int, fragment: bytes) -> None:
        """Take a fragment.

        Raises:
            ContradictionError: it does not belong here, or the section is complete and wrong.
        """
        start = index * self.fragment_size
        if len(fragment) != min(self.fragment_size, self.entry.length - start):
            raise ContradictionError
        known = self._fragments.get(index) if self.payload is None else self.payload[start : start + len(fragment)]
        if known not in (None, fragment):
            raise ContradictionError
        if self.payload is None:
            self._fragments[index] = fragment
            self._try_repair(index)
            self._try_complete()

    def add_repair(self, number: int, index: int, piece: bytes) -> None:
        """Take a repair piece of a group.

        Raises:
            ContradictionError: it does not belong here, or the section is complete and wrong.
        """
        parts = groups(self.count)
        if number >= len(parts):
            raise ContradictionError
        group = parts[number]
        if len(piece) != min(self.fragment_size, self.entry.length - group.start * self.fragment_size):
            raise ContradictionError
        missing = [place for place in group if place not in self._fragments]
        if self.payload is not None or not missing:
            return
        pieces = self._repairs.setdefault(number, {})
        # More than a whole group of repair is never of use, whoever sends it.
        if len(pieces) < len(group):
            pieces[index] = piece
        self._try_repair(group.start)
        self._try_complete()

    def complete(self, payload: bytes) -> None:
        """Take all of it.

        Raises:
            ContradictionError: it is not what the OFFER says.
        """
        if len(payload) != self.entry.length or zlib.crc32(payload) & 0xFFFF != self.entry.check:
            raise ContradictionError
        self.finish(payload)

    def finish(self, payload: bytes) -> None:
        """Take all of it, as right."""
        self.payload = payload
        self._fragments.clear()
        self._repairs.clear()

    def _try_complete(self) -> None:
        if self.payload is None and len(self._fragments) * self.fragment_size >= self.entry.length:
            self.complete(b"".join(self._fragments[i] for i in range(len(self._fragments))))

    def _try_repair(self, fragment: int) -> None:
        """Rebuild the group that a fragment is in, if enough of it is there."""
        if not self._repairs:
            return
        number, group = next((i, group) for i, group in enumerate(groups(self.count)) if fragment in group)
        repairs = self._repairs.get(number, {})
        held = {place - group.start: self._fragments[place] for place in group if place in self._fragments}
        if not repairs or len(held) + len(repairs) < len(group):
            return
        size = len(next(iter(repairs.values())))
        pieces = {place: piece.ljust(size, b"\0") for place, piece in held.items()}
        pieces |= {len(group) + index: piece for index, piece in repairs.items()}
        try:
            rebuilt = rebuild_pieces(pieces, len(group))
        except PacketError as error:
            raise ContradictionError from error
        for place, piece in zip(group, rebuilt, strict=True):
            self._fragments[place] = piece[: self.entry.length - place * self.fragment_size]
        del self._repairs[number]
