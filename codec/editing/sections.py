"""Replace sections of a stream, and drop those that an edit invalidates."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from codec.container.bitstream import Bitstream, Coder, Section
from codec.encoder.planes import plane_sections
from codec.encoder.rate_control import size_of
from codec.layers import ColorMap, EdgeMap, Layer, Skeleton
from layercast_common.errors import BitstreamError, UsageError

_DRAWN_LAYERS = (Layer.SEMANTIC, Layer.STRUCTURE, Layer.TEXTURE)


def replace_layer(
    stream: Bitstream, layer: Layer, sections: Sequence[Section], *, keep_planes: bool = False
) -> Bitstream:
    """Return the stream with all sections of a layer replaced.

    New sections take the places of old ones of the same coder, one by one. Sections that depend on the picture before
    the edit (those of the detail layer, and of unknown layers or coders) are left out, and the notes say so.

    Args:
        stream: the stream.
        layer: the layer to replace.
        sections: its new sections.
        keep_planes: keep the bit planes of the detail layer, because the edit goes on to change them as well.

    Raises:
        UsageError: bytes of the stream are missing.
    """
    check_complete(stream)
    pending = {coder: [section for section in sections if section.coder == coder] for coder in Coder}
    remaining = Counter(section.coder for section in stream.sections if section.layer == layer)
    result: list[Section] = []
    place = None
    for section in stream.sections:
        if section.layer == layer:
            place = len(result) if place is None else place
            remaining[section.coder] -= 1
            queue = pending.get(Coder(section.coder), []) if section.decodable else []
            taken = queue[:1] if remaining[section.coder] else queue[:]
            result += taken
            del queue[: len(taken)]
        elif section.layer in _DRAWN_LAYERS or (keep_planes and _is_plane(section)):
            result.append(section)
    if place is None:
        place = next((index for index, section in enumerate(result) if section.layer > layer), len(result))
    result[place:place] = [section for queue in pending.values() for section in queue]
    dropped = [
        section
        for section in stream.sections
        if _depends_on(section, layer) and not (keep_planes and _is_plane(section))
    ]
    return replace(stream, sections=tuple(result), notes=stream.notes + _notes(dropped))


def replace_planes(stream: Bitstream, picture: NDArray[np.uint8]) -> Bitstream:
    """Return the stream with the bit planes of another picture, in as many bytes as its own have.

    Args:
        stream: a stream with bit planes.
        picture: (H, W, 3) uint8 RGB at canvas size.

    Raises:
        UsageError: bytes of the stream are missing.
    """
    check_complete(stream)
    kept = [section for section in stream.sections if section.layer in _DRAWN_LAYERS or _is_plane(section)]
    dropped = [section for section in stream.sections if section.layer not in _DRAWN_LAYERS and not _is_plane(section)]
    place = next(index for index, section in enumerate(kept) if _is_plane(section))
    others = [section for section in kept if not _is_plane(section)]
    others[place:place] = plane_sections(picture, size_of(section for section in kept if _is_plane(section)))
    return replace(stream, sections=tuple(others), notes=stream.notes + _notes(dropped))


def replace_seed(stream: Bitstream, seed: int) -> Bitstream:
    """Return the stream with another seed: it renders as another picture of the same layers.

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
    # Bit planes are the picture itself, whatever the seed.
    dropped = [section for section in stream.sections if section.layer not in _DRAWN_LAYERS and not _is_plane(section)]
    kept = tuple(section for section in stream.sections if not any(section is left for left in dropped))
    return replace(stream, header=header, sections=kept, notes=stream.notes + _notes(dropped))


def check_complete(stream: Bitstream) -> None:
    """Check that a stream is complete.

    Raises:
        UsageError: bytes of the stream are missing.
    """
    if not stream.complete:
        raise UsageError("the stream was cut short, and only a whole one can be edited")


def sections_like(stream: Bitstream, prior: EdgeMap | Skeleton) -> list[Section]:
    """Return the sections that encode a prior of this kind."""
    return sections_of(stream, Coder.EDGES if isinstance(prior, EdgeMap) else Coder.SKELETON)


def recode_structure(prior: EdgeMap | Skeleton, like: Bitstream) -> list[Section]:
    """Encode lines on their own grid, or people. Lines get as many coarser grids as in the stream `like`."""
    from codec.coders.edges.payload import decode_edges, encode_edges, halve
    from codec.coders.skeleton import encode_skeleton

    if isinstance(prior, Skeleton):
        return [Section(Layer.STRUCTURE, Coder.SKELETON, encode_skeleton(prior))]
    maps = [prior]
    for _ in range(_refinements(sections_like(like, prior), lambda payload: decode_edges(payload, prior.canvas))):
        maps.insert(0, halve(maps[0]))
    payloads = [
        encode_edges(edges, base, halved=edges is not prior)
        for edges, base in zip(maps, [None, *maps[:-1]], strict=True)
    ]
    return [Section(Layer.STRUCTURE, Coder.EDGES, payload) for payload in payloads]


def recode_colors(stream: Bitstream, colors: ColorMap) -> list[Section]:
    """Encode a colour map with the step size, and as many coarser grids, as the stream's own colours."""
    from codec.coders.colors.payload import STEP, decode_colors, encode_colors

    own = sections_of(stream, Coder.COLORS)
    # The first section decodes alone; those that refine it have the same step.
    step = decode_colors(own[0].payload, colors.canvas).step if own else STEP
    maps = [colors]
    for _ in range(_refinements(own, lambda payload: decode_colors(payload, colors.canvas))):
        maps.insert(0, _average_four(maps[0]))
    sections: list[Section] = []
    base = None
    for level in maps:
        payload = encode_colors(level, step, base)
        base = decode_colors(payload, colors.canvas, base=base)
        sections.append(Section(Layer.TEXTURE, Coder.COLORS, payload))
    return sections


def _is_plane(section: Section) -> bool:
    """Return whether a section holds bit planes, of texture or of detail."""
    return section.decodable and section.coder == Coder.PLANES


def sections_of(stream: Bitstream, coder: Coder) -> list[Section]:
    """Return the decodable sections of a coder, in the stream's order."""
    return [section for section in stream.sections if section.coder == coder and section.decodable]


def _refinements(sections: Sequence[Section], decode: Callable[[bytes], object]) -> int:
    """Return how many sections double the grid of the one before; 0 unless all after the first do."""
    for section in sections[1:]:
        with suppress(BitstreamError):
            decode(section.payload)
            return 0
    return max(len(sections) - 1, 0)


def _average_four(colors: ColorMap) -> ColorMap:
    """Average the map to a grid half as fine."""
    rows, columns = colors.colors.shape[:2]
    size = (-(-columns // 2), -(-rows // 2))
    return replace(colors, colors=np.asarray(cv2.resize(colors.colors, size, interpolation=cv2.INTER_AREA), np.uint8))


def _depends_on(section: Section, touched: Layer) -> bool:
    return not section.decodable if section.layer == touched else section.layer not in _DRAWN_LAYERS


def _notes(dropped: Iterable[Section]) -> tuple[str, ...]:
    """Return a note for each layer of which sections were left out."""
    names = [section.layer.name.lower() if isinstance(section.layer, Layer) else section.layer for section in dropped]
    return tuple(
        f"{names.count(name)} section(s) of layer {name} were left out: they were made for the picture before the edit"
        for name in dict.fromkeys(names)
    )
