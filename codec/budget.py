"""Which sections, at which quality, for so many bytes."""

import re
from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from codec.bitstream import Coder, Section
from codec.layers import ColorMap, EdgeMap, Layer, Semantic, Size
from layercast_errors import UsageError

#: Bits per pixel of canvas that a picture may take unless told otherwise: 655 bytes at 512x512.
DEFAULT_BPP = 0.02

#: Share of a budget that words may take before a long prompt is shortened.
TEXT_SHARE = 0.4

#: Share of a budget that colours may take.
COLOR_SHARE = 0.25

#: Grids of edges, in cells on the canvas's long side, finest first.
EDGE_SIDES = (256, 192, 160, 128, 96, 64)

#: Share of a grid's line cells that must fit the budget; below it, a coarser grid tells more.
MIN_KEPT_SHARE = 0.7

_CLAUSE_END = re.compile(r"\s*[,;.:!?|()\[\]\n。、，；：！？]+\s*")
_WORD_END = re.compile(r"\s+")


def budget_of(canvas: Size, budget: int | None, bpp: float | None) -> int:
    """Bytes that a picture may take.

    Args:
        canvas: (width, height), in pixels.
        budget: bytes, if they are given.
        bpp: bits per pixel of canvas, if they are given instead.

    Raises:
        UsageError: both are given, or one of them is not positive.
    """
    if budget is not None and bpp is not None:
        raise UsageError("give a budget in bytes or in bits per pixel, not both")
    if budget is None:
        pixels = canvas[0] * canvas[1]
        budget = int((DEFAULT_BPP if bpp is None else bpp) * pixels / 8)
    if budget <= 0:
        raise UsageError(f"a budget is a positive number of bytes, not {budget}")
    return budget


def text_section(prompt: str) -> Section:
    """The words, whole."""
    from codec.coders.text import encode_text

    return Section(Layer.SEMANTIC, Coder.TEXT, encode_text(Semantic(prompt)))


def shorten(prompt: str, fits: Callable[[str], bool]) -> str | None:
    """The longest beginning of a prompt that fits: whole clauses if one does, else whole words, else None."""
    for border in (_CLAUSE_END, _WORD_END):
        ends = [match.start() for match in border.finditer(prompt) if match.start()]
        count = _most(len(ends), lambda index, ends=ends: fits(prompt[: ends[index]]))  # type: ignore[misc]
        if count:
            return prompt[: ends[count - 1]]
    return None


def _most(count: int, fits: Callable[[int], bool]) -> int:
    """How many of `count` growing things, of which the first to the index-th `fits`, can be taken."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if fits(middle):
            low = middle + 1
        else:
            high = middle
    return low


def fit_colors(maps: Sequence[ColorMap], room: int) -> Section | None:
    """The first of `maps` that takes at most `room` bytes, framing included."""
    from codec.coders.colors import encode_colors

    sections = (Section(Layer.TEXTURE, Coder.COLORS, encode_colors(colors)) for colors in maps)
    return next((section for section in sections if len(section.to_bytes()) <= room), None)


def fit_edges(maps: Iterator[EdgeMap], room: int) -> Section | None:
    """The finest of `maps` that, less its smallest contours, takes at most `room` bytes, framing included.

    Args:
        maps: the same lines on ever coarser grids.
        room: bytes.
    """
    result = None
    for edges in maps:
        result, share = _prune(edges, room)
        if share >= MIN_KEPT_SHARE:
            break
    return result


def _prune(edges: EdgeMap, room: int) -> tuple[Section | None, float]:
    """Leave out as few contours as it takes, and tell which share of the line cells is left."""
    order = contour_order(edges.grid)
    total = int(edges.grid.sum())
    bounds = np.unique(order[order > 0])
    best: dict[int, Section] = {}

    def fits(index: int) -> bool:
        section = _edge_section(EdgeMap((order > 0) & (order <= bounds[index]), edges.canvas))
        best[index] = section
        return len(section.to_bytes()) <= room

    whole = _edge_section(edges)
    if len(whole.to_bytes()) <= room:
        return whole, 1.0
    count = _most(len(bounds), fits)
    if not count:
        return None, 0.0
    return best[count - 1], int(((order > 0) & (order <= bounds[count - 1])).sum()) / total


def _edge_section(edges: EdgeMap) -> Section:
    from codec.coders.edges import encode_edges

    return Section(Layer.STRUCTURE, Coder.EDGES, encode_edges(edges))


def contour_order(grid: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Rank the contours of a grid by length, the longest first. Contours end where they meet others.

    Args:
        grid: (rows, columns) bool.

    Returns:
        (rows, columns) int64: the rank, from 1, of the contour that a cell is part of; 0 where there is none.
    """
    cells = grid.astype(np.uint8)
    around = cv2.filter2D(cells, -1, np.ones((3, 3)), borderType=cv2.BORDER_CONSTANT)
    # A cell with three neighbours or more is where contours meet; it goes with the longest of them.
    count, labels, stats, _ = cv2.connectedComponentsWithStats(cells & (around <= 3), connectivity=8)
    ranks = np.full(count, count, np.int32)
    ranks[1 + np.argsort(-stats[1:, cv2.CC_STAT_AREA], kind="stable")] = np.arange(1, count)
    order = ranks[labels].astype(np.float32)
    nearest = cv2.erode(order, np.ones((3, 3)))
    return np.where(grid, np.minimum(order, nearest), 0).astype(np.int64)
