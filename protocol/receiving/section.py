"""The reassembly of one section: its fragments, and repair pieces for missing ones."""

import zlib
from dataclasses import dataclass, field

from layercast_common.errors import PacketError
from protocol.recovery.fec_policy import groups
from protocol.recovery.reed_solomon import rebuild_pieces
from protocol.wire.fields import Part, SectionEntry, bits


class ContradictionError(Exception):
    """Two packets of a picture contradict each other, or a packet contradicts the OFFER."""


@dataclass(slots=True)
class IncomingSection:
    """The data held of a section.

    Attributes:
        entry: the section's row in the OFFER.
        fragment_size: size of a fragment, in bytes; the last one may be shorter.
        payload: the section's bytes once it is complete, else None.
        dropped: whether the section is cancelled.
    """

    entry: SectionEntry
    fragment_size: int
    payload: bytes | None = None
    dropped: bool = False
    _fragments: dict[int, bytes] = field(default_factory=dict)
    _repairs: dict[int, dict[int, bytes]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """The number of fragments."""
        return -(-self.entry.length // self.fragment_size)

    @property
    def open(self) -> bool:
        """Whether the section is incomplete and not cancelled."""
        return self.payload is None and not self.dropped

    @property
    def repair_bytes(self) -> int:
        """Size of the repair pieces held, in bytes."""
        return sum(len(piece) for pieces in self._repairs.values() for piece in pieces.values())

    def part(self, index: int) -> Part | None:
        """Return the fragments held, for RESUME; None if there are none.

        Args:
            index: the section's index.
        """
        return Part(section=index, fragments=bits(list(self._fragments))) if self._fragments else None

    def add(self, index: int, fragment: bytes) -> None:
        """Add a fragment.

        Raises:
            ContradictionError: it does not fit the OFFER or other packets, or the complete section fails its check.
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
        """Add a repair piece.

        Args:
            number: the group's number.
            index: the index of the piece in its group.
            piece: its bytes.

        Raises:
            ContradictionError: it does not fit the OFFER or other packets, or the complete section fails its check.
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
        # As many repair pieces as fragments suffice; this bounds memory.
        if len(pieces) < len(group):
            pieces[index] = piece
        self._try_repair(group.start)
        self._try_complete()

    def complete(self, payload: bytes) -> None:
        """Verify the complete payload and finish.

        Raises:
            ContradictionError: its length or check differs from the OFFER.
        """
        if len(payload) != self.entry.length or zlib.crc32(payload) & 0xFFFF != self.entry.check:
            raise ContradictionError
        self.finish(payload)

    def finish(self, payload: bytes) -> None:
        """Store a verified payload and free the fragments."""
        self.payload = payload
        self._fragments.clear()
        self._repairs.clear()

    def _try_complete(self) -> None:
        if self.payload is None and len(self._fragments) * self.fragment_size >= self.entry.length:
            self.complete(b"".join(self._fragments[i] for i in range(len(self._fragments))))

    def _try_repair(self, fragment: int) -> None:
        """Rebuild the group of a fragment, if enough pieces are held."""
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
