"""Lines and colours -> sections, and lines on the finest grid that there is room for."""

import math
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from codec.analysis.colors import average_colors, average_grid
from codec.container.bitstream import Coder, Section
from codec.layers import EdgeMap, Layer
from codec.structure.contours import Contours

#: Grids of edges, in cells on the canvas's long side, and the one that is tried first.
EDGE_SIDES = tuple(range(40, 257))
FIRST_SIDE = 64

#: Length of the shortest contour that is drawn, in pixels at 512x512: of shorter ones most tell of grain.
SHORTEST = 8

#: Bytes that may be left of a room, as its share 1/n: nearer, another trial gains less than it takes.
SPARE_SHARE = 32

#: Most grids that are tried.
MAX_TRIALS = 6

#: Cells on the long side of the coarsest grid of nested colours.
COARSEST_COLORS = 4

#: The most that cells are thought to grow at once.
_MOST_GROWTH = 16.0


def size_of(sections: Iterable[Section]) -> int:
    """Bytes of sections, framing included."""
    return sum(len(section.to_bytes()) for section in sections)


def edge_sections(edges: EdgeMap, *, nested: bool) -> tuple[Section, ...]:
    """Lines on one grid, and if `nested` first on grids half as fine, down to the coarsest that is of use."""
    from codec.coders.edges.payload import encode_edges, halve

    maps = [edges]
    while nested and max(maps[0].grid.shape) >= 2 * EDGE_SIDES[0]:
        maps.insert(0, halve(maps[0]))
    payloads = [
        encode_edges(finer, base, halved=finer is not edges)
        for finer, base in zip(maps, [None, *maps[:-1]], strict=True)
    ]
    return tuple(Section(Layer.STRUCTURE, Coder.EDGES, payload) for payload in payloads)


def color_sections(picture: NDArray[np.uint8], cell: int, step: int, *, nested: bool) -> tuple[Section, ...]:
    """A picture's colours on one grid, and if `nested` first on grids half as fine, down to the coarsest of use.

    Args:
        picture: (H, W, 3) uint8 RGB at canvas size.
        cell: pixels of canvas on the side of a cell.
        step: index of `codec.coders.colors.model.TENTHS`.
        nested: whether coarser grids come first.
    """
    from codec.coders.colors.payload import decode_colors, encode_colors

    maps = [average_colors(picture, cell)]
    while nested and max(maps[0].colors.shape) >= 2 * COARSEST_COLORS:
        rows, columns = maps[0].colors.shape[:2]
        maps.insert(0, average_grid(picture, (-(-columns // 2), -(-rows // 2))))
    sections: list[Section] = []
    base = None
    for colors in maps:
        payload = encode_colors(colors, step, base)
        base = decode_colors(payload, colors.canvas, base=base)
        sections.append(Section(Layer.TEXTURE, Coder.COLORS, payload))
    return tuple(sections)


class Lines:
    """A picture's lines, drawn and coded on several grids, each once."""

    def __init__(self, contours: Contours, *, nested: bool, given: EdgeMap | None = None) -> None:
        """Lines that may be fitted.

        Args:
            contours: the lines as paths.
            nested: whether coarser grids come first.
            given: the map that the contours are those of, which is taken as it is if it fits.
        """
        self._contours = contours
        self._nested = nested
        self._given = given
        self._shortest = max(1, SHORTEST * max(contours.canvas) // 512)
        self._drawn: dict[int, EdgeMap] = {}
        self._known: dict[int, tuple[Section, ...]] = {}

    @property
    def usual_size(self) -> int:
        """Bytes on the grid that is tried first, which tells how much there is in the picture."""
        return self._size(FIRST_SIDE)

    def fit(self, room: int) -> tuple[Section, ...]:
        """The contours on the finest grid that takes at most `room` bytes; the longest alone if none does.

        Measured, that is the best use of the bytes: a coarser grid with more contours tells less, and so does a finer
        one with fewer. What a grid takes grows steadily with its side, so that the side is found in a few trials.
        """
        if self._given is not None and max(self._given.grid.shape) <= EDGE_SIDES[-1]:
            whole = edge_sections(self._given, nested=self._nested)
            if size_of(whole) <= room:
                return whole
        lowest, highest = EDGE_SIDES[0], min(EDGE_SIDES[-1], max(max(self._contours.canvas) // 2, EDGE_SIDES[0]))
        # What fits, and what does not, come ever nearer to each other.
        fits, over = lowest - 1, highest + 1
        side = min(FIRST_SIDE, highest)
        for _ in range(MAX_TRIALS):
            size = self._size(side)
            if size > room:
                over = side
            else:
                fits = side
            if fits + 1 == over or (size <= room and room - size <= room // SPARE_SHARE):
                break
            side = min(max(self._aim(side, size, room), fits + 1), over - 1)
        return self._sections(fits) if fits >= lowest else self._longest(lowest, room)

    def _aim(self, side: int, size: int, room: int) -> int:
        """The side that should just fit, by what another takes: each cell with a line takes about the same."""
        wanted = self._count(side) * room / max(size, 1) * (1 - 1 / (2 * SPARE_SHARE))
        for _ in range(2):
            # Cells grow by a power of about 8/7. Roots of powers are its inverse on every machine alike.
            growth = min(wanted / max(self._count(side), 1), _MOST_GROWTH)
            side = min(max(round(side * math.sqrt(math.sqrt(math.sqrt(growth**7)))), EDGE_SIDES[0]), EDGE_SIDES[-1])
        return side

    def _count(self, side: int) -> int:
        """Cells with a line."""
        return int(np.count_nonzero(self._draw(side).grid))

    def _draw(self, side: int) -> EdgeMap:
        if side not in self._drawn:
            self._drawn[side] = self._contours.draw(side, self._shortest)
        return self._drawn[side]

    def _sections(self, side: int) -> tuple[Section, ...]:
        if side not in self._known:
            self._known[side] = edge_sections(self._draw(side), nested=self._nested)
        return self._known[side]

    def _size(self, side: int) -> int:
        return size_of(self._sections(side))

    def _longest(self, side: int, room: int) -> tuple[Section, ...]:
        """As many of the longest contours as fit a grid that does not have room for all."""

        def make(index: int) -> tuple[Section, ...]:
            return edge_sections(self._contours.draw(side, most=index + 1), nested=self._nested)

        count = most(len(self._contours.ends), lambda index: size_of(make(index)) <= room)
        return make(count - 1) if count else ()


def most(count: int, fits: Callable[[int], bool]) -> int:
    """How many of `count` growing things, of which the first to the index-th `fits`, can be taken."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if fits(middle):
            low = middle + 1
        else:
            high = middle
    return low
