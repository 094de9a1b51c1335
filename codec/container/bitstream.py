"""The .lcast container: a header, then sections from the most needed to the least, then a check.

    header       see codec.container.header
    section      1 byte: layer (3 bits), coder (5 bits)
                 1 to 3 bytes: length of the payload, LEB128
                 payload
    ...
    end          0xFF and the CRC-16/XMODEM of all bytes before it, big-endian

A prefix is a stream too, of lower quality: it decodes with `partial=True`.
"""

import binascii
import enum
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from codec.container.header import Header, read_varint, write_varint
from codec.layers import EdgeMap, Layer, Priors, Skeleton
from layercast_common.errors import BitstreamError, TruncatedError, UsageError

if TYPE_CHECKING:
    from codec.coders.colors.payload import Levels

__all__ = ["Bitstream", "Coder", "Header", "Section"]

#: Longest payload of one section, in bytes.
MAX_PAYLOAD = 1 << 16

#: Most sections in one stream.
MAX_SECTIONS = 32

#: The most that decoding a stream may cost, so that none keeps a reader busy for long. A unit is what one cell of an
#: edge map takes: about a third of a microsecond.
MAX_WORK = 130_000

#: Units of work of one unit of modelled text, of a set cell of edges (beside that of any), of one cell of colour, and
#: of one person.
TEXT_WORK, SET_WORK, COLOR_WORK, PERSON_WORK = 4, 2, 12, 2048

_Number = TypeVar("_Number", bound=enum.IntEnum)

_END = 0xFF
_END_SIZE = 3


class Coder(enum.IntEnum):
    """A payload format's number: it stands in files and packets and never changes."""

    TEXT = 0
    EDGES = 1
    COLORS = 2
    SKELETON = 3


#: The layer that each coder belongs to.
LAYER_OF = {
    Coder.TEXT: Layer.SEMANTIC,
    Coder.EDGES: Layer.STRUCTURE,
    Coder.COLORS: Layer.TEXTURE,
    Coder.SKELETON: Layer.STRUCTURE,
}


@dataclass(frozen=True, slots=True)
class Section:
    """A run of bytes of one layer that decodes on top of the sections before it.

    Attributes:
        layer: the layer; a plain number where it is not known to this version.
        coder: the payload's format; a plain number where it is not known to this version.
        payload: the bytes.
        missing: how many bytes of the payload did not come.
    """

    layer: Layer | int
    coder: Coder | int
    payload: bytes
    missing: int = 0

    def __post_init__(self) -> None:
        if not (0 <= self.layer < 8 and 0 <= self.coder < 32) or (self.layer == 7 and self.coder == 31):
            raise UsageError(f"no section can be of layer {self.layer} and coder {self.coder}")
        if self.missing < 0 or len(self.payload) + self.missing > MAX_PAYLOAD:
            raise UsageError(f"a section has up to {MAX_PAYLOAD} bytes, not {len(self.payload) + self.missing}")

    def to_bytes(self) -> bytes:
        """The section as it stands in the stream."""
        size = len(self.payload) + self.missing
        return bytes([self.layer << 5 | self.coder]) + write_varint(size) + self.payload


@dataclass(frozen=True)
class Bitstream:
    """A picture as a header and sections.

    Attributes:
        header: canvas, seed and model.
        sections: from the most needed to the least; only the last may have bytes missing.
        notes: what a person should know of how it was made; not part of the bytes.
    """

    header: Header
    sections: tuple[Section, ...] = ()
    notes: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        if len(self.sections) > MAX_SECTIONS:
            raise UsageError(f"a stream has at most {MAX_SECTIONS} sections, not {len(self.sections)}")
        if any(section.missing for section in self.sections[:-1]):
            raise UsageError("only the last section of a stream may have bytes missing")

    @property
    def complete(self) -> bool:
        """Whether no section has bytes missing."""
        return not (self.sections and self.sections[-1].missing)

    def to_bytes(self) -> bytes:
        """The whole stream; without its end where bytes of the last section are missing."""
        body = self.header.to_bytes() + b"".join(section.to_bytes() for section in self.sections)
        return body + _end_of(body) if self.complete else body

    @classmethod
    def from_bytes(cls, data: bytes, *, partial: bool = False) -> "Bitstream":
        """Read a stream.

        Args:
            data: the bytes.
            partial: whether a prefix will do; its last section may then have bytes missing.

        Raises:
            TruncatedError: the bytes stop early, and `partial` does not allow it or not even the header is whole.
            BitstreamError: this is not a layercast stream, or it is damaged.
        """
        data = bytes(data)
        header, start = Header.read(data)
        sections, place, ended = _read_sections(data, start)
        end = place + _END_SIZE if ended else place
        if not partial and (not ended or len(data) < end):
            raise TruncatedError(f"the stream stops after {len(data)} bytes, before its end; partial=True decodes it")
        if len(data) > end:
            raise BitstreamError(
                f"{len(data) - end} bytes follow the stream's end; a file holds one stream and nothing else"
            )
        if ended and len(data) == end and data[place:] != _end_of(data[:place]):
            raise BitstreamError("the stream is damaged: its check does not match; have it sent again")
        return cls(header, tuple(sections))

    @classmethod
    def load(cls, path: Path | str, *, partial: bool = False) -> "Bitstream":
        """Read a stream from a file.

        Raises:
            BitstreamError: as `from_bytes`, naming the file; the file is missing, unreadable or too large.
        """
        path = Path(path)
        try:
            if path.stat().st_size > MAX_SECTIONS * MAX_PAYLOAD:
                raise BitstreamError(f"{path}: too large for a layercast file")
            data = path.read_bytes()
        except OSError as error:
            raise BitstreamError(f"{path}: {error.strerror or error}") from error
        try:
            return cls.from_bytes(data, partial=partial)
        except BitstreamError as error:
            raise type(error)(f"{path}: {error}") from error

    def save(self, path: Path | str) -> None:
        """Write the stream to a file, which other programs see either as it was or whole.

        Raises:
            UsageError: the file cannot be written.
        """
        path = Path(path)
        # The process's number keeps apart programs that write the same file at the same time.
        temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            temporary.write_bytes(self.to_bytes())
            temporary.replace(path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise UsageError(f"{path}: {error.strerror or error}") from error

    def size_of(self, layer: Layer | int | None) -> int:
        """Bytes that a layer takes, framing included; of None, those of no layer: the header and the end."""
        if layer is None:
            return len(self.header.to_bytes()) + (_END_SIZE if self.complete else 0)
        return sum(len(section.to_bytes()) for section in self.sections if section.layer == layer)

    def decode(self) -> Priors:
        """What the sections tell; those of a layer or coder that is not known to this version are left out.

        Raises:
            BitstreamError: a section's payload is broken, or decoding costs more than `MAX_WORK`.
        """
        known = _Known(Priors(self.header.canvas))
        for number, section in enumerate(self.sections, 1):
            try:
                known = _decode_section(section, known)
            except BitstreamError as error:
                raise BitstreamError(f"section {number} of {len(self.sections)} does not decode: {error}") from error
        return _drawn(known)


@dataclass(frozen=True, slots=True)
class _Known:
    """What the sections so far tell, and what those that refine them build on.

    Attributes:
        priors: what they tell.
        edges: the last edge map, as it was coded.
        halved: whether that is the coarse map of a finer one.
        levels: the last colour map, as it was coded.
        work: what decoding them cost.
    """

    priors: Priors
    edges: EdgeMap | None = None
    halved: bool = False
    levels: "Levels | None" = None
    work: int = 0

    @property
    def room(self) -> int:
        """The work that is still allowed."""
        return MAX_WORK - self.work

    def worked(self, units: int) -> "_Known":
        """The same, after so many more units of work."""
        if units > self.room:
            raise BitstreamError(f"decoding the stream costs more than the {MAX_WORK} units of work that are allowed")
        return replace(self, work=self.work + units)


def _end_of(body: bytes) -> bytes:
    return bytes([_END]) + binascii.crc_hqx(body, 0).to_bytes(2, "big")


def _read_sections(data: bytes, place: int) -> tuple[list[Section], int, bool]:
    """Read sections; return them, where they end, and whether the end mark (its check unread) was met there."""
    sections: list[Section] = []
    while place < len(data):
        tag = data[place]
        if tag == _END:
            return sections, place, True
        if len(sections) == MAX_SECTIONS:
            raise BitstreamError(f"the stream has more than {MAX_SECTIONS} sections")
        try:
            size, start = read_varint(data, place + 1)
        except TruncatedError:
            return sections, len(data), False
        if size > MAX_PAYLOAD:
            raise BitstreamError(f"a section claims {size} bytes, over the limit of {MAX_PAYLOAD}")
        payload = data[start : start + size]
        place = start + len(payload)
        sections.append(Section(_known(Layer, tag >> 5), _known(Coder, tag & 31), payload, size - len(payload)))
    return sections, place, False


def _known(kind: type[_Number], number: int) -> _Number | int:
    return kind(number) if number in frozenset(kind) else number


def _decode_section(section: Section, known: _Known) -> _Known:
    """What is known once `section` came, too."""
    if not isinstance(section.coder, Coder) or LAYER_OF[section.coder] != section.layer:
        return known
    try:
        return _DECODERS[section.coder](section.payload, section.missing > 0, known)
    except BitstreamError:
        if section.missing:
            return known
        raise


def _drawn(known: _Known) -> Priors:
    """What is known, with the thick lines of a coarse map thinned where no finer one came."""
    if known.edges is None or not known.halved:
        return known.priors
    from codec.structure.thinning import thin

    return replace(known.priors, structure=thin(known.edges))


# The coders are imported when they are first needed, since they bring the compiler.


def _decode_text(payload: bytes, cut: bool, known: _Known) -> _Known:
    from codec.coders.text.payload import decode_text, unit_count

    semantic = decode_text(payload, cut=cut, most=known.room // TEXT_WORK)
    known = known.worked(TEXT_WORK * unit_count(payload, semantic))
    return replace(known, priors=replace(known.priors, semantic=semantic))


def _decode_edges(payload: bytes, cut: bool, known: _Known) -> _Known:
    from codec.coders.edges.payload import coded_cells, decode_edges, is_halved

    known = known.worked(coded_cells(payload, known.priors.canvas, known.edges))
    most = known.room // SET_WORK
    edges = decode_edges(payload, known.priors.canvas, base=known.edges, cut=cut, most=most)
    known = known.worked(SET_WORK * int(np.count_nonzero(edges.grid)))
    before = known.priors.structure
    skeleton = before if isinstance(before, Skeleton) else known.priors.skeleton
    priors = replace(known.priors, structure=edges, skeleton=skeleton)
    return replace(known, priors=priors, edges=edges, halved=is_halved(payload))


def _decode_colors(payload: bytes, cut: bool, known: _Known) -> _Known:
    from codec.coders.colors.payload import coded_cells, decode_colors

    known = known.worked(COLOR_WORK * coded_cells(payload, known.priors.canvas))
    levels = decode_colors(payload, known.priors.canvas, base=known.levels, cut=cut)
    return replace(known, priors=replace(known.priors, texture=levels.to_map()), levels=levels)


def _decode_skeleton(payload: bytes, cut: bool, known: _Known) -> _Known:
    from codec.coders.skeleton import coded_people, decode_skeleton

    known = known.worked(PERSON_WORK * coded_people(payload))
    skeleton = decode_skeleton(payload, known.priors.canvas, cut=cut)
    if isinstance(known.priors.structure, EdgeMap):
        return replace(known, priors=replace(known.priors, skeleton=skeleton))
    return replace(known, priors=replace(known.priors, structure=skeleton))


_DECODERS: dict[Coder, Callable[[bytes, bool, _Known], _Known]] = {
    Coder.TEXT: _decode_text,
    Coder.EDGES: _decode_edges,
    Coder.COLORS: _decode_colors,
    Coder.SKELETON: _decode_skeleton,
}
