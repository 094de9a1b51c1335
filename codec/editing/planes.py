"""Bit planes -> lines and colours. A picture of bit planes cannot be drawn from other words or lines, these can."""

from dataclasses import replace

from codec.container.bitstream import Bitstream, Coder, Section
from codec.encoder.encode import encode
from codec.encoder.options import EncodeOptions
from codec.encoder.rate_control import size_of
from codec.layers import Layer

#: Minimum budget of lines and colours, in bytes.
MIN_BUDGET = 64

_NOTE = "the bit planes were replaced by lines and colours, because they show the picture before the edit"


def draw_planes(stream: Bitstream) -> Bitstream:
    """Return the stream with its bit planes replaced by lines and colours of the decoded picture, in as many bytes.

    Streams without bit planes are returned unchanged. People, and sections of other layers, stay.

    Args:
        stream: a complete stream.

    Raises:
        BitstreamError: the stream does not decode.
    """
    plane = stream.decode().plane
    if plane is None:
        return stream
    others = [section for section in stream.sections if not _is_replaced(section)]
    budget = size_of(section for section in stream.sections if _is_replaced(section))
    frame = len(Bitstream(replace(stream.header, seed=0), ()).to_bytes()) + 3
    drawn = encode(plane.to_image(), "", EncodeOptions(budget=max(budget + frame, MIN_BUDGET), texture="grid"))
    place = next((index for index, section in enumerate(others) if section.layer > Layer.STRUCTURE), len(others))
    others[place:place] = [section for section in drawn.sections if section.layer != Layer.SEMANTIC]
    return replace(stream, sections=tuple(others), notes=(*stream.notes, _NOTE))


def _is_replaced(section: Section) -> bool:
    """Return whether a section holds bit planes or lines."""
    return section.decodable and section.coder in (Coder.PLANES, Coder.EDGES)
