"""Which sections, at which quality, for so many bytes."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codec.bitstream import Coder, Section
from codec.contours import Contours, agreement
from codec.layers import ColorMap, EdgeMap, Layer, Semantic, Size
from layercast_errors import UsageError

#: Bits per pixel of canvas that a picture may take unless told otherwise: 655 bytes at 512x512.
DEFAULT_BPP = 0.02

#: Share of a budget that words may take before a long prompt is shortened.
TEXT_SHARE = 0.4

#: Share of a budget that colours may take.
COLOR_SHARE = 0.25

#: Grids of edges, in cells on the canvas's long side.
EDGE_SIDES = (48, 56, 64, 72, 80, 88, 96, 112, 128, 144, 160, 192, 224, 256)

#: Length of the shortest contours that a grid should have room for, and those that are tried: pixels at 512x512.
WANTED_LENGTH = 20
SHORTEST_LENGTHS = (8, 12, 16, 20, 25, 30)

#: A line is told where it is drawn within this share of the canvas's long side: 4 pixels at 512.
TOLERANCE_SHARE = 128

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
    """The first of `maps`, in finer or else in coarser steps, that takes at most `room` bytes, framing included."""
    from codec.coders.colors import STEP, encode_colors

    for colors in maps:
        for step in (STEP, STEP + 1):
            section = Section(Layer.TEXTURE, Coder.COLORS, encode_colors(colors, step))
            if len(section.to_bytes()) <= room:
                return section
    return None


def fit_edges(contours: Contours, lines: NDArray[np.uint8], room: int) -> Section | None:
    """The contours on the grid that tells them best in at most `room` bytes, framing included.

    A grid that is too fine has room for the longest contours alone; one that is too coarse blurs them. The best is near
    the finest that has room for all but the shortest.

    Args:
        contours: the lines as paths.
        lines: (H, W) uint8, the lines as they should be drawn.
        room: bytes.
    """
    drafts = _Drafts(contours, room)
    sides = [side for side in EDGE_SIDES if side <= max(contours.canvas) // 2] or [EDGE_SIDES[0]]
    place = min(range(len(sides)), key=lambda index: abs(drafts.guess(sides[index]) - room))
    while place + 1 < len(sides) and drafts.fits(sides[place], WANTED_LENGTH):
        place += 1
    while place and not drafts.fits(sides[place], WANTED_LENGTH):
        place -= 1
    chosen = [drafts.fullest(side) for side in sides[max(0, place) : place + 2]]
    found = [draft for draft in chosen if draft is not None]
    if not found:
        return drafts.longest(sides[0])
    tolerance = max(contours.canvas) / TOLERANCE_SHARE
    return max(found, key=lambda draft: agreement(draft.edges.to_image(), lines, tolerance)).section


@dataclass(frozen=True, slots=True)
class _Draft:
    edges: EdgeMap
    section: Section


class _Drafts:
    """Codes contours on several grids, each at most once."""

    def __init__(self, contours: Contours, room: int) -> None:
        self._contours = contours
        self._room = room
        self._lengths = np.array([len(path) for path in contours.paths]) * (512 / max(contours.canvas))
        self._known: dict[tuple[int, int], _Draft] = {}

    def fits(self, side: int, shortest: int) -> bool:
        return self._size(side, shortest) <= self._room

    def guess(self, side: int) -> float:
        """What a grid will take, from what another took."""
        first = EDGE_SIDES[2]
        return float(self._size(first, WANTED_LENGTH) * (side / first) ** 1.6)

    def fullest(self, side: int) -> _Draft | None:
        """As many contours as fit, of those counts worth trying."""
        for shortest in SHORTEST_LENGTHS:
            if self.fits(side, shortest):
                return self._draft(side, shortest)
        return None

    def longest(self, side: int) -> Section | None:
        """As many of the longest contours as fit a grid that does not have room for the usual ones."""

        def make(index: int) -> Section:
            return edge_section(self._contours.draw(side, index + 1))

        count = _most(len(self._lengths), lambda index: len(make(index).to_bytes()) <= self._room)
        return make(count - 1) if count else None

    def _size(self, side: int, shortest: int) -> int:
        return len(self._draft(side, shortest).section.to_bytes())

    def _draft(self, side: int, shortest: int) -> _Draft:
        if (side, shortest) not in self._known:
            edges = self._contours.draw(side, int(np.count_nonzero(self._lengths >= shortest)))
            self._known[side, shortest] = _Draft(edges, edge_section(edges))
        return self._known[side, shortest]


def edge_section(edges: EdgeMap) -> Section:
    """Lines on one grid."""
    from codec.coders.edges import encode_edges

    return Section(Layer.STRUCTURE, Coder.EDGES, encode_edges(edges))
