"""The .lcast container: a header, sections in order of importance, and a check.

    header       see codec.container.header
    sections     see codec.container.sections
    end          0xFF and the CRC-16/XMODEM of all bytes before it, big-endian

A prefix of a stream is a stream of lower quality: it decodes with `partial=True`.
"""

import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from codec.container.decoding import decode_sections
from codec.container.header import Header
from codec.container.sections import END_MARK, MAX_PAYLOAD, MAX_SECTIONS, Coder, Section, read_sections
from codec.layers import Layer, Priors
from layercast_common.errors import BitstreamError, StorageError, TruncatedError, UsageError
from layercast_common.files import open_regular, save_whole

__all__ = ["Bitstream", "Coder", "Header", "Section", "join_stream"]

_END_SIZE = 3


@dataclass(frozen=True)
class Bitstream:
    """An encoded picture: a header and sections.

    Attributes:
        header: canvas, seed and model.
        sections: the most important first; only the last may have bytes missing.
        notes: remarks for a person on how the stream was made; not part of the bytes.
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
        """Return the whole stream; without the end if bytes of the last section are missing."""
        return join_stream(self.header.to_bytes(), self.sections)

    @classmethod
    def from_bytes(cls, data: bytes, *, partial: bool = False) -> "Bitstream":
        """Read a stream.

        Args:
            data: the bytes.
            partial: accept a prefix of a stream; bytes of its last section may then be missing.

        Raises:
            TruncatedError: the bytes stop early and `partial` is false, or the header is not complete.
            BitstreamError: the bytes are not a layercast stream, or are damaged.
        """
        data = bytes(data)
        header, start = Header.read(data)
        sections, place, ended = read_sections(data, start)
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

        Args:
            path: the file.
            partial: as in `from_bytes`.

        Raises:
            StorageError: the file is missing or cannot be read.
            TruncatedError, BitstreamError: as `from_bytes`, naming the file; or the file is too large for a stream.
        """
        path = Path(path)
        try:
            with open_regular(path) as file:
                data = file.read(MAX_SECTIONS * MAX_PAYLOAD + 1)
            if len(data) > MAX_SECTIONS * MAX_PAYLOAD:
                raise BitstreamError(f"{path}: too large for a layercast file")
        except OSError as error:
            raise StorageError.of(error, path) from error
        try:
            return cls.from_bytes(data, partial=partial)
        except BitstreamError as error:
            raise type(error)(f"{path}: {error}") from error

    def save(self, path: Path | str) -> None:
        """Write the stream to a file. Other programs see the old file or the whole new one.

        Raises:
            StorageError: the file cannot be written.
        """
        save_whole(self.to_bytes(), Path(path))

    def size_of(self, layer: Layer | int | None) -> int:
        """Return the bytes that a layer takes, framing included; for None those of the header and the end."""
        if layer is None:
            return len(self.header.to_bytes()) + (_END_SIZE if self.complete else 0)
        return sum(len(section.to_bytes()) for section in self.sections if section.layer == layer)

    def decode(self) -> Priors:
        """Decode the sections. Layers and coders that this version does not know are skipped.

        Raises:
            BitstreamError: a section's payload is broken, or decoding costs more than
                `codec.container.decoding.MAX_WORK`.
        """
        return decode_sections(self.sections, self.header.canvas)


def join_stream(head: bytes, sections: Sequence[Section]) -> bytes:
    """Join a header, which this version need not be able to read, and sections to the bytes of a stream.

    The end is left out if bytes of the last section are missing.
    """
    body = head + b"".join(section.to_bytes() for section in sections)
    return body if sections and sections[-1].missing else body + _end_of(body)


def _end_of(body: bytes) -> bytes:
    return bytes([END_MARK]) + binascii.crc_hqx(body, 0).to_bytes(2, "big")
