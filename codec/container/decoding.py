"""Sections -> priors, with a bound on the work that a stream may cause."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from codec.container.sections import Coder, Section
from codec.layers import ColorMap, EdgeMap, Layer, Priors, Size, Skeleton
from layercast_common.errors import BitstreamError

if TYPE_CHECKING:
    from codec.coders.colors.payload import Levels

#: Most work that decoding one stream may cost, so that no stream keeps a reader busy for long. One unit is the work of
#: one cell of an edge map: about a third of a microsecond. Bit planes do not count: they have limits of their own, see
#: `codec.coders.planes.payload`.
MAX_WORK = 130_000

#: Cells on the long side of the colour map that is averaged from bit planes.
PLANE_COLORS = 16

#: Units of work of one unit of modelled text, of a set edge cell (on top of that of any cell), of one colour cell, and
#: of one person.
TEXT_WORK, SET_WORK, COLOR_WORK, PERSON_WORK = 4, 2, 12, 2048


def decode_sections(sections: Iterable[Section], canvas: Size) -> Priors:
    """Decode sections, each on top of those before it. Sections that this version does not know are skipped.

    Args:
        sections: in the order of the stream; bytes of the last one may be missing.
        canvas: (width, height) of the picture, in pixels.

    Raises:
        BitstreamError: a payload is broken, planes are longer than the canvas allows, or decoding costs more than
            `MAX_WORK`.
    """
    sections = tuple(sections)
    state = _DecoderState(Priors(canvas))
    for number, section in enumerate(sections, 1):
        try:
            state = _decode_section(section, state)
        except BitstreamError as error:
            raise BitstreamError(f"section {number} of {len(sections)} does not decode: {error}") from error
    return _decode_planes(_thin_coarse_lines(state), state.planes)


@dataclass(frozen=True, slots=True)
class _DecoderState:
    """The priors decoded so far, and the maps that later sections may refine.

    Attributes:
        priors: the result so far.
        edges: the last edge map, as coded.
        halved: whether that map is the coarse version of a finer one.
        levels: the last colour map, as coded.
        planes: the sections of bit planes so far; they are one code, decoded after the last section.
        work: units of work spent so far.
    """

    priors: Priors
    edges: EdgeMap | None = None
    halved: bool = False
    levels: "Levels | None" = None
    planes: tuple[Section, ...] = ()
    work: int = 0

    @property
    def work_left(self) -> int:
        """Units of work that are still allowed."""
        return MAX_WORK - self.work

    def spend(self, units: int) -> "_DecoderState":
        """Return the state after `units` more units of work.

        Raises:
            BitstreamError: the work exceeds `MAX_WORK`.
        """
        if units > self.work_left:
            raise BitstreamError(f"decoding the stream costs more than the {MAX_WORK} units of work that are allowed")
        return replace(self, work=self.work + units)


def _decode_section(section: Section, state: _DecoderState) -> _DecoderState:
    if not section.decodable or not _continues(section, state):
        return state
    try:
        if section.coder == Coder.PLANES:
            return _add_planes(section, state)
        return _DECODERS[Coder(section.coder)](section.payload, section.missing > 0, state)
    except BitstreamError:
        if section.missing:
            return state
        raise


def _continues(section: Section, state: _DecoderState) -> bool:
    """Return whether a section fits those before it: colours come as a grid or as planes, and detail after texture."""
    if section.coder == Coder.COLORS:
        return not state.planes
    if section.coder != Coder.PLANES:
        return True
    if section.layer == Layer.DETAIL:
        return bool(state.planes)
    return state.levels is None and all(plane.layer == Layer.TEXTURE for plane in state.planes)


def _add_planes(section: Section, state: _DecoderState) -> _DecoderState:
    from codec.coders.planes.payload import max_bytes

    planes = (*state.planes, section)
    size, limit = sum(len(plane.payload) + plane.missing for plane in planes), max_bytes(state.priors.canvas)
    if size > limit:
        raise BitstreamError(f"the planes of the picture take {size} bytes; its canvas allows {limit}")
    return replace(state, planes=planes)


def _decode_planes(priors: Priors, sections: Sequence[Section]) -> Priors:
    """Return the priors with the coefficients of all sections of bit planes, and colours averaged from them."""
    if not sections:
        return priors
    from codec.coders.planes.payload import decode_planes
    from codec.wavelet.transform import top_plane

    plane = decode_planes([section.payload for section in sections], priors.canvas, sections[-1].missing)
    if sections[-1].layer == Layer.TEXTURE:
        # The last bytes of the texture may hold the first decisions of the next plane.
        plane = plane.without_detail()
    if plane.lowest > top_plane(*priors.canvas):
        return priors
    return replace(priors, texture=ColorMap(plane.colors(PLANE_COLORS), priors.canvas), plane=plane)


def _thin_coarse_lines(state: _DecoderState) -> Priors:
    """Return the priors; the thick lines of a coarse map are thinned if no finer map followed it."""
    if state.edges is None or not state.halved:
        return state.priors
    from codec.structure.thinning import thin

    return replace(state.priors, structure=thin(state.edges))


# The coders are imported when they are first needed: they load the numba compiler.


def _decode_text(payload: bytes, cut: bool, state: _DecoderState) -> _DecoderState:
    from codec.coders.text.payload import decode_text, unit_count

    semantic = decode_text(payload, cut=cut, limit=state.work_left // TEXT_WORK)
    state = state.spend(TEXT_WORK * unit_count(payload, semantic))
    return replace(state, priors=replace(state.priors, semantic=semantic))


def _decode_edges(payload: bytes, cut: bool, state: _DecoderState) -> _DecoderState:
    from codec.coders.edges.payload import coded_cells, decode_edges, is_halved

    state = state.spend(coded_cells(payload, state.priors.canvas, state.edges))
    limit = state.work_left // SET_WORK
    edges = decode_edges(payload, state.priors.canvas, base=state.edges, cut=cut, limit=limit)
    state = state.spend(SET_WORK * int(np.count_nonzero(edges.grid)))
    before = state.priors.structure
    skeleton = before if isinstance(before, Skeleton) else state.priors.skeleton
    priors = replace(state.priors, structure=edges, skeleton=skeleton)
    return replace(state, priors=priors, edges=edges, halved=is_halved(payload))


def _decode_colors(payload: bytes, cut: bool, state: _DecoderState) -> _DecoderState:
    from codec.coders.colors.payload import coded_cells, decode_colors

    state = state.spend(COLOR_WORK * coded_cells(payload, state.priors.canvas))
    levels = decode_colors(payload, state.priors.canvas, base=state.levels, cut=cut)
    return replace(state, priors=replace(state.priors, texture=levels.to_map()), levels=levels)


def _decode_skeleton(payload: bytes, cut: bool, state: _DecoderState) -> _DecoderState:
    from codec.coders.skeleton import coded_people, decode_skeleton

    state = state.spend(PERSON_WORK * coded_people(payload))
    skeleton = decode_skeleton(payload, state.priors.canvas, cut=cut)
    if isinstance(state.priors.structure, EdgeMap):
        return replace(state, priors=replace(state.priors, skeleton=skeleton))
    return replace(state, priors=replace(state.priors, structure=skeleton))


_DECODERS: dict[Coder, Callable[[bytes, bool, _DecoderState], _DecoderState]] = {
    Coder.TEXT: _decode_text,
    Coder.EDGES: _decode_edges,
    Coder.COLORS: _decode_colors,
    Coder.SKELETON: _decode_skeleton,
}
