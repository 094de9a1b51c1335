"""A stream with other sections: what an edit puts back, and what it must leave out."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from codec.bitstream import LAYER_OF, Bitstream, Coder, Section
from codec.layers import ColorMap, EdgeMap, Layer, Skeleton
from layercast_errors import UsageError

_DRAWN_LAYERS = (Layer.SEMANTIC, Layer.STRUCTURE, Layer.TEXTURE)


def replace_layer(stream: Bitstream, layer: Layer, sections: Sequence[Section]) -> Bitstream:
    """The stream with these sections in place of all that it has of the layer.

    Each stands where the first section of its coder stood. Sections that were made for the picture as it was, those of
    the detail layer and of layers or coders not known to this version, are left out, and the stream's notes say so.

    Raises:
        UsageError: bytes of the stream are missing.
    """
    check_complete(stream)
    waiting = list(sections)
    result: list[Section] = []
    place = None
    for section in stream.sections:
        if section.layer == layer:
            place = len(result) if place is None else place
            fitting = [new for new in waiting if new.coder == section.coder]
            waiting = [new for new in waiting if new.coder != section.coder]
            result += fitting
        elif section.layer in _DRAWN_LAYERS:
            result.append(section)
    if place is None:
        place = next((index for index, section in enumerate(result) if section.layer > layer), len(result))
    result[place:place] = waiting
    lost = [section for section in stream.sections if _depends(section, layer)]
    return replace(stream, sections=tuple(result), notes=stream.notes + _notes(lost))


def replace_seed(stream: Bitstream, seed: int) -> Bitstream:
    """The stream to be drawn from other noise: another picture of the same layers.

    Args:
        stream: the stream.
        seed: 0 to 2**32 - 1.

    Raises:
        UsageError: the seed is out of bounds, or bytes of the stream are missing.
    """
    check_complete(stream)
    header = replace(stream.header, seed=seed)
    if header == stream.header:
        return stream
    kept = tuple(section for section in stream.sections if section.layer in _DRAWN_LAYERS)
    lost = [section for section in stream.sections if section.layer not in _DRAWN_LAYERS]
    return replace(stream, header=header, sections=kept, notes=stream.notes + _notes(lost))


def check_complete(stream: Bitstream) -> None:
    """See that nothing of a stream is missing.

    Raises:
        UsageError: something is.
    """
    if not stream.complete:
        raise UsageError("the stream was cut short, and only a whole one can be edited")


def is_known(section: Section) -> bool:
    """Whether this version decodes the section."""
    return isinstance(section.coder, Coder) and LAYER_OF[section.coder] == section.layer


def sections_like(stream: Bitstream, prior: EdgeMap | Skeleton) -> list[Section]:
    """The sections that tell a prior of this kind."""
    return [section for section in stream.sections if is_known(section) and section.coder == _coder_of(prior)]


def recode_structure(prior: EdgeMap | Skeleton) -> Section:
    """Lines on their own grid, or people, as one section."""
    from codec.coders.edges import encode_edges
    from codec.coders.skeleton import encode_skeleton

    payload = encode_edges(prior) if isinstance(prior, EdgeMap) else encode_skeleton(prior)
    return Section(Layer.STRUCTURE, _coder_of(prior), payload)


def recode_colors(stream: Bitstream, colors: ColorMap) -> Section:
    """A colour map, as one section with the step that the stream's own colours have."""
    from codec.coders.colors import STEP, decode_colors, encode_colors

    own = [section for section in stream.sections if is_known(section) and section.coder == Coder.COLORS]
    # Of several the first: those that refine it do not decode alone, and have the same step.
    step = decode_colors(own[0].payload, colors.canvas).step if own else STEP
    return Section(Layer.TEXTURE, Coder.COLORS, encode_colors(colors, step))


def _coder_of(prior: EdgeMap | Skeleton) -> Coder:
    return Coder.EDGES if isinstance(prior, EdgeMap) else Coder.SKELETON


def _depends(section: Section, touched: Layer) -> bool:
    return not is_known(section) if section.layer == touched else section.layer not in _DRAWN_LAYERS


def _notes(lost: Iterable[Section]) -> tuple[str, ...]:
    """What was left out, in a line for each layer."""
    names = [section.layer.name.lower() if isinstance(section.layer, Layer) else section.layer for section in lost]
    return tuple(
        f"{names.count(name)} section(s) of layer {name} were left out: they were made for the picture before the edit"
        for name in dict.fromkeys(names)
    )
