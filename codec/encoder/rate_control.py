"""Lines and colours -> sections; lines on the finest grid that fits into a byte limit."""

import bisect
import math
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from codec.analysis.colors import average_colors, average_grid
from codec.container.sections import Coder, Section
from codec.layers import EdgeMap, Layer
from codec.structure.contours import Contours

#: Edge grids, in cells on the canvas's long side, and the first one to try.
EDGE_SIDES = tuple(range(40, 257))
FIRST_SIDE = 64

#: Length of the shortest contour that is drawn, in pixels at 512x512; most shorter ones are grain.
SHORTEST = 8

#: The search stops when at most 1/n of the limit is unused: another trial would gain less than it costs.
SPARE_SHARE = 32

#: Most grids to try.
MAX_TRIALS = 6

#: Cells on the long side of the coarsest grid of nested colours.
COARSEST_COLORS = 4

#: Largest factor by which the number of cells grows between two trials.
_MOST_GROWTH = 16.0

_Item = TypeVar("_Item")


def size_of(sections: Iterable[Section]) -> int:
    """Return the size of sections in bytes, framing included."""
    return sum(len(section.to_bytes()) for section in sections)


def edge_sections(edges: EdgeMap, *, nested: bool) -> tuple[Section, ...]:
    """Encode lines on one grid; if `nested`, first on grids half as fine, down to the coarsest useful one."""
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
    """Encode a picture's colours on one grid; if `nested`, first on grids half as fine, down to the coarsest.

    Args:
        picture: (H, W, 3) uint8 RGB at canvas size.
        cell: side of a cell, in pixels of canvas.
        step: index of `codec.coders.colors.model.TENTHS`.
        nested: send coarser grids first.
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


class LineFitter:
    """Encoder of a picture's lines within a byte limit. Each grid is drawn and encoded at most once."""

    def __init__(self, contours: Contours, *, nested: bool, given: EdgeMap | None = None) -> None:
        """Prepare lines for fitting.

        Args:
            contours: the lines as paths.
            nested: send coarser grids first.
            given: the edge map that the contours were traced from; it is used unchanged if it fits.
        """
        self._contours = contours
        self._nested = nested
        self._given = given
        self._shortest = max(1, SHORTEST * max(contours.canvas) // 512)
        self._drawn: dict[int, EdgeMap] = {}
        self._encoded: dict[int, tuple[Section, ...]] = {}

    @property
    def reference_size(self) -> int:
        """Size on a grid of `FIRST_SIDE`, in bytes: a measure of the amount of detail."""
        return self._size(FIRST_SIDE)

    def fit(self, limit: int) -> tuple[Section, ...]:
        """Encode all contours on the finest grid that takes at most `limit` bytes, or else only the longest contours.

        By measurement this is the best use of the bytes: both a coarser grid with more contours and a finer one with
        fewer agree less with the picture. The size grows steadily with the side, so a few trials find the side.
        """
        if self._given is not None and max(self._given.grid.shape) <= EDGE_SIDES[-1]:
            whole = edge_sections(self._given, nested=self._nested)
            if size_of(whole) <= limit:
                return whole
        lowest, highest = EDGE_SIDES[0], min(EDGE_SIDES[-1], max(max(self._contours.canvas) // 2, EDGE_SIDES[0]))
        # Bracket the largest side that fits.
        fits, over = lowest - 1, highest + 1
        side = min(FIRST_SIDE, highest)
        for _ in range(MAX_TRIALS):
            size = self._size(side)
            if size > limit:
                over = side
            else:
                fits = side
            if fits + 1 == over or (size <= limit and limit - size <= limit // SPARE_SHARE):
                break
            side = min(max(self._estimate_side(side, size, limit), fits + 1), over - 1)
        return self._encode(fits) if fits >= lowest else self._encode_longest(lowest, limit)

    def _estimate_side(self, side: int, size: int, limit: int) -> int:
        """Estimate the side that just fits from the size of another: all cells with a line cost about the same."""
        wanted = self._count_set_cells(side) * limit / max(size, 1) * (1 - 1 / (2 * SPARE_SHARE))
        for _ in range(2):
            # The count grows with about the 8/7th power of the side. Square roots are exact on every machine.
            growth = min(wanted / max(self._count_set_cells(side), 1), _MOST_GROWTH)
            side = min(max(round(side * math.sqrt(math.sqrt(math.sqrt(growth**7)))), EDGE_SIDES[0]), EDGE_SIDES[-1])
        return side

    def _count_set_cells(self, side: int) -> int:
        return int(np.count_nonzero(self._draw(side).grid))

    def _draw(self, side: int) -> EdgeMap:
        if side not in self._drawn:
            self._drawn[side] = self._contours.draw(side, self._shortest)
        return self._drawn[side]

    def _encode(self, side: int) -> tuple[Section, ...]:
        if side not in self._encoded:
            self._encoded[side] = edge_sections(self._draw(side), nested=self._nested)
        return self._encoded[side]

    def _size(self, side: int) -> int:
        return size_of(self._encode(side))

    def _encode_longest(self, side: int, limit: int) -> tuple[Section, ...]:
        """Encode as many of the longest contours as fit, on a grid where not all of them do."""

        def encode_first(count: int) -> tuple[Section, ...]:
            return edge_sections(self._contours.draw(side, count=count), nested=self._nested)

        count = count_fitting(
            range(1, len(self._contours.ends) + 1), lambda first: size_of(encode_first(first)) <= limit
        )
        return encode_first(count) if count else ()


def count_fitting(items: Sequence[_Item], fits: Callable[[_Item], bool]) -> int:
    """Return how many of the growing `items` fit; `fits` is true up to some item and false from then on."""
    return bisect.bisect_left(items, True, key=lambda item: not fits(item))
