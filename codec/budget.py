"""Which sections, at which quality, for so many bytes."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codec.bitstream import Coder, Section
from codec.contours import Contours, agreement, draw_lines
from codec.layers import ColorMap, EdgeMap, Layer, Semantic, Size, grid_size
from layercast_errors import UsageError

#: Bits per pixel of canvas that a picture may take unless told otherwise: 655 bytes at 512x512.
DEFAULT_BPP = 0.02

#: Share of a budget that words may take before a long prompt is shortened.
TEXT_SHARE = 0.4

#: Share of a budget that colours may take.
COLOR_SHARE = 0.25

#: Grids of edges, in cells on the canvas's long side.
EDGE_SIDES = (48, 56, 64, 72, 80, 88, 96, 112, 128, 144, 160, 192, 224, 256)

#: The grid that is tried first.
FIRST_SIDE = 64

#: Length of the shortest contours that a grid should have room for, in pixels at 512x512; others that are tried on that
#: grid, and on the next finer one. More contours need not be more bytes: where they are dense, they grow together.
USUAL_LENGTH = 20
OTHER_LENGTHS = (12,)
NEXT_LENGTHS = (10,)

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


def fit_colors(maps: Sequence[ColorMap], room: int, *, nested: bool) -> tuple[Section, ...]:
    """The first of `maps`, in finer or else in coarser steps, that takes at most `room` bytes, framing included.

    Args:
        maps: from the one that tells most, each of half the cells of the one before.
        room: bytes.
        nested: whether a map comes on top of the next one.
    """
    from codec.coders.colors import STEP, decode_colors, encode_colors

    for index, colors in enumerate(maps):
        for step in (STEP, STEP + 1):
            payloads, base = [], None
            for coarser in (*maps[index + 1 :][::-1], colors) if nested else (colors,):
                payloads.append(encode_colors(coarser, step, base))
                base = decode_colors(payloads[-1], coarser.canvas, base=base)
            sections = tuple(Section(Layer.TEXTURE, Coder.COLORS, payload) for payload in payloads)
            if size_of(sections) <= room:
                return sections
    return ()


def size_of(sections: Iterable[Section]) -> int:
    """Bytes of sections, framing included."""
    return sum(len(section.to_bytes()) for section in sections)


def fit_edges(contours: Contours, lines: NDArray[np.uint8], room: int, *, nested: bool) -> tuple[Section, ...]:
    """The contours on the grid that tells them best in at most `room` bytes, framing included.

    A grid that is too fine has room for the longest contours alone; one that is too coarse blurs them. The best is near
    the finest that has room for all but the shortest.

    Args:
        contours: the lines as paths.
        lines: (H, W) uint8, the lines as they should be drawn.
        room: bytes.
        nested: whether coarser grids come first.
    """
    drafts = _Drafts(contours, room, nested)
    sides = [side for side in EDGE_SIDES if side <= max(contours.canvas) // 2] or [EDGE_SIDES[0]]
    place = max((index for index, side in enumerate(sides) if drafts.guess(side) <= room), default=0)
    while place + 1 < len(sides) and drafts.fits(sides[place], USUAL_LENGTH):
        place += 1
    while place and not drafts.fits(sides[place], USUAL_LENGTH):
        place -= 1
    found = drafts.that_fit(sides[place], (USUAL_LENGTH, *OTHER_LENGTHS))
    if place + 1 < len(sides):
        found += drafts.that_fit(sides[place + 1], NEXT_LENGTHS)
    if not found:
        return drafts.longest(sides[0])
    tolerance = max(contours.canvas) / TOLERANCE_SHARE
    return max(found, key=lambda draft: agreement(draft.edges.to_image(), lines, tolerance)).sections


@dataclass(frozen=True, slots=True)
class _Draft:
    edges: EdgeMap
    sections: tuple[Section, ...]

    @property
    def size(self) -> int:
        return size_of(self.sections)


class _Drafts:
    """Draws and codes contours on several grids, each at most once."""

    def __init__(self, contours: Contours, room: int, nested: bool) -> None:
        self._contours = contours
        self._nested = nested
        self._room = room
        self._lengths = contours.lengths * (512 / max(contours.canvas))
        self._lines: dict[int, list[NDArray[np.int32]]] = {}
        self._known: dict[tuple[int, int], _Draft] = {}

    def fits(self, side: int, shortest: int) -> bool:
        return self._draft(side, shortest).size <= self._room

    def guess(self, side: int) -> float:
        """What a grid will take, from what another took: measured, sizes grow by a power of 1.5 to 1.7."""
        return float(self._draft(FIRST_SIDE, USUAL_LENGTH).size * (side / FIRST_SIDE) ** 1.6)

    def that_fit(self, side: int, lengths: Sequence[int]) -> list[_Draft]:
        """The drafts with contours down to each of `lengths` that fit."""
        drafts = [self._draft(side, shortest) for shortest in lengths]
        return [draft for draft in drafts if draft.size <= self._room]

    def longest(self, side: int) -> tuple[Section, ...]:
        """As many of the longest contours as fit a grid that does not have room for the usual ones."""

        def make(index: int) -> tuple[Section, ...]:
            return edge_sections(self._draw(side, index + 1), nested=self._nested)

        count = _most(len(self._lengths), lambda index: size_of(make(index)) <= self._room)
        return make(count - 1) if count else ()

    def _count(self, shortest: int) -> int:
        return int(np.count_nonzero(self._lengths >= shortest))

    def _draw(self, side: int, count: int) -> EdgeMap:
        if side not in self._lines:
            self._lines[side] = self._contours.lines(side)
        canvas = self._contours.canvas
        return draw_lines(self._lines[side][:count], grid_size(canvas, side), canvas)

    def _draft(self, side: int, shortest: int) -> _Draft:
        if (side, shortest) not in self._known:
            edges = self._draw(side, self._count(shortest))
            self._known[side, shortest] = _Draft(edges, edge_sections(edges, nested=self._nested))
        return self._known[side, shortest]


def edge_sections(edges: EdgeMap, *, nested: bool) -> tuple[Section, ...]:
    """Lines on one grid, and if `nested` first on grids half as fine, down to the coarsest that is of use."""
    from codec.coders.edges import encode_edges, halve

    maps = [edges]
    while nested and max(maps[0].grid.shape) >= 2 * EDGE_SIDES[0]:
        maps.insert(0, halve(maps[0]))
    payloads = [
        encode_edges(finer, base, halved=finer is not edges)
        for finer, base in zip(maps, [None, *maps[:-1]], strict=True)
    ]
    return tuple(Section(Layer.STRUCTURE, Coder.EDGES, payload) for payload in payloads)
