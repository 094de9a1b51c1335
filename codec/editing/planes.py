"""Bit planes -> lines and colours. A picture of bit planes cannot be drawn from other words or lines, these can."""

from dataclasses import replace

from codec.container.bitstream import Bitstream, Coder
from codec.editing.sections import sections_of
from codec.encoder.budget import MAX_LINES
from codec.encoder.grids import grid_sections
from codec.encoder.options import EncodeOptions
from codec.encoder.rate_control import LineFitter, size_of
from codec.layers import Layer
from codec.structure.contours import find_contours

_NOTE = "the bit planes were replaced by lines and colours, because they show the picture before the edit"


def draw_planes(stream: Bitstream) -> Bitstream:
    """Return the stream with its bit planes replaced by lines and colours of the decoded picture, in as many bytes.

    Streams without bit planes are returned unchanged. People, sections of other layers, and lines that are not coarse
    ones of the encoder's, such as those that a person drew, stay.

    Args:
        stream: a complete stream.

    Raises:
        BitstreamError: the stream does not decode.
    """
    plane = stream.decode().plane
    if plane is None:
        return stream
    picture = plane.to_image()
    lines = sections_of(stream, Coder.EDGES)
    coarse = size_of(lines) <= MAX_LINES
    replaced = sections_of(stream, Coder.PLANES) + (lines if coarse else [])
    fitter = LineFitter(find_contours(picture)[0], nested=False) if coarse else None
    others = [section for section in stream.sections if not any(section is one for one in replaced)]
    place = next((index for index, section in enumerate(others) if section.layer > Layer.STRUCTURE), len(others))
    others[place:place] = grid_sections(picture, size_of(replaced), fitter, (), EncodeOptions())
    return replace(stream, sections=tuple(others), notes=(*stream.notes, _NOTE))
