"""Picture and prompt -> stream, within a budget."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from codec.analysis.colors import CELL, average_colors
from codec.bitstream import Bitstream, Coder, Header, Section
from codec.budget import (
    COLOR_SHARE,
    EDGE_SIDES,
    TEXT_SHARE,
    budget_of,
    edge_sections,
    fit_colors,
    fit_edges,
    shorten,
    size_of,
    text_section,
)
from codec.contours import find_contours, trace
from codec.layers import EdgeMap, Layer, Skeleton
from layercast_errors import BudgetError, UsageError

#: What a caller may say of a picture's structure: find its lines, these lines, these people, or nothing.
Structure = EdgeMap | Skeleton | Literal["canny"] | None


def encode(
    picture: NDArray[np.uint8],
    prompt: str,
    *,
    structure: Structure = "canny",
    budget: int | None = None,
    bpp: float | None = None,
    seed: int = 0,
    model: str = "mini",
    nested: bool = False,
) -> Bitstream:
    """Turn a picture and what is said of it into a stream of at most `budget` bytes.

    Words come first, then colours, then lines, of which there are as many as still fit. A prompt that would take too
    much is shortened to whole clauses, and the stream's notes say so.

    Args:
        picture: (H, W, 3) uint8 RGB at canvas size.
        prompt: what the picture shows.
        structure: "canny" finds the lines; an edge map or a skeleton is used as it is given; None leaves them out.
        budget: bytes in all; from `bpp` if not given.
        bpp: bits per pixel of canvas; 0.02 if neither is given.
        seed: of the noise that the picture will be drawn from.
        model: name of the model that the picture is meant for.
        nested: whether lines and colours come on coarse grids first and are then refined, for about 10 % more bytes.

    Raises:
        BudgetError: the budget does not hold the header and the first word.
        UsageError: an argument is out of bounds.
    """
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise UsageError(f"a picture is (H, W, 3) uint8, not {picture.dtype} {picture.shape}")
    header = Header(picture.shape[1], picture.shape[0], seed, model)
    budget = budget_of(header.canvas, budget, bpp)
    empty = Bitstream(header).size_of(None)
    text, notes = _fit_text(prompt, budget, empty)
    room = budget - empty - len(text.to_bytes())
    maps = [average_colors(picture), average_colors(picture, 2 * CELL)]
    colors = fit_colors(maps, min(room, int(budget * COLOR_SHARE)), nested=nested)
    lines = _fit_structure(picture, structure, room - size_of(colors), nested=nested)
    if nested:
        # The coarsest of every layer comes before what refines any.
        return Bitstream(header, (text, *lines[:1], *colors, *lines[1:]), notes)
    return Bitstream(header, (text, *lines, *colors), notes)


def _fit_text(prompt: str, budget: int, empty: int) -> tuple[Section, tuple[str, ...]]:
    whole = text_section(prompt)
    share = min(max(int(budget * TEXT_SHARE), 0), budget - empty)
    if len(whole.to_bytes()) <= share:
        return whole, ()
    shorter = shorten(prompt, lambda start: len(text_section(start).to_bytes()) <= share)
    if shorter is None:
        raise BudgetError(budget, empty + len(whole.to_bytes()), "the header and the prompt")
    note = f"the prompt was shortened from {len(prompt)} to {len(shorter)} characters to fit the budget"
    return text_section(shorter), (note,)


def _fit_structure(picture: NDArray[np.uint8], structure: Structure, room: int, *, nested: bool) -> tuple[Section, ...]:
    if structure is None:
        return ()
    if isinstance(structure, Skeleton):
        from codec.coders.skeleton import encode_skeleton

        section = Section(Layer.STRUCTURE, Coder.SKELETON, encode_skeleton(structure))
        return (section,) if size_of([section]) <= room else ()
    if isinstance(structure, EdgeMap):
        whole = edge_sections(structure, nested=nested) if max(structure.grid.shape) <= EDGE_SIDES[-1] else ()
        if whole and size_of(whole) <= room:
            return whole
        contours, lines = trace(structure.grid, structure.canvas), structure.to_image()
    else:
        contours, lines = find_contours(picture)
    return fit_edges(contours, lines, room, nested=nested)
