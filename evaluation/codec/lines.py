"""Lines: size compared with JPEG XL at equal agreement, the cost of nesting, the effect of pruning."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from codec.container.bitstream import Bitstream, Header
from codec.encoder.rate_control import LineFitter, edge_sections, size_of
from codec.layers import EdgeMap, grid_size
from codec.structure.contours import find_contours, line_f1
from codec.structure.rasterize import CLEAR_SHARE
from evaluation.codec.jpegxl import jpegxl_size
from evaluation.codec.pictures import CANVAS, REFERENCE_CANNY, TOLERANCE, Measured, Track

#: Long sides of the maps for JPEG XL.
SIDES = (64, 128)

#: Long side of the finest of three nested grids.
NESTED_SIDE = 256

#: Length of the shortest kept contours, in pixels at 512x512: for nesting, and along the pruning curve.
NESTED_SHORTEST = 20
PRUNED_SIDE = 96
PRUNED_SHORTEST = (0, 6, 10, 15, 20, 30, 45, 70, 100)

#: Points of the pruning curve: whether clutter is kept, and the shortest contours.
PRUNINGS = ((True, 0), *((False, shortest) for shortest in PRUNED_SHORTEST))

#: Range of the search for a budget, as shares of JPEG XL's size, and number of bisections.
_SHARES = (0.1, 1.6)
_HALVINGS = 8


@dataclass(frozen=True, slots=True)
class LinesResult:
    """Lines compared with JPEG XL, over the pictures with lines.

    Attributes:
        side: long side of the maps for JPEG XL.
        pictures: number of pictures.
        jpegxl_bytes: mean size with JPEG XL.
        jpegxl_f1: mean F1; each map is drawn in the better of two ways.
        mean_bytes: mean size of our smallest section with at least the same F1; framing included.
        f1: mean F1 of our sections.
        ratio: mean_bytes / jpegxl_bytes.
        unmatched: pictures without a section of the same F1; the largest tried section counts for them.
    """

    side: int
    pictures: int
    jpegxl_bytes: float
    jpegxl_f1: float
    mean_bytes: float
    f1: float
    ratio: float
    unmatched: int


@dataclass(frozen=True, slots=True)
class NestingResult:
    """The cost of coarse grids before the finest one.

    Attributes:
        sides: long sides of the grids.
        nested_bytes: mean size of all sections, framing included.
        alone_bytes: mean size of the finest grid as one section.
        ratio: nested_bytes / alone_bytes.
    """

    sides: tuple[int, ...]
    nested_bytes: float
    alone_bytes: float
    ratio: float


@dataclass(frozen=True, slots=True)
class PruningPoint:
    """Size and agreement on one grid without clutter and short contours.

    Attributes:
        cluttered: whether contours close to longer ones are kept.
        shortest: length of the shortest kept contours, in pixels at 512x512.
        mean_bytes: mean size of the section, framing included.
        f1: mean F1.
    """

    cluttered: bool
    shortest: int
    mean_bytes: float
    f1: float


def measure_lines(pictures: Sequence[Measured], side: int, track: Track) -> LinesResult:
    """Find our smallest section of each picture with at least the F1 of JPEG XL's map.

    Raises:
        MissingExtraError: JPEG XL is not installed.
    """
    theirs: list[tuple[int, float]] = []
    ours: list[tuple[int, float]] = []
    for picture in track([picture for picture in pictures if picture.lines.any()], f"lines against JPEG XL at {side}"):
        edges = _shrunken_lines(picture.pixels, side)
        squares = cv2.resize(edges.grid.astype(np.uint8), CANVAS, interpolation=cv2.INTER_NEAREST)
        drawn = max(
            picture.line_f1(edges),
            line_f1(np.asarray(squares, np.uint8), picture.lines, TOLERANCE),
        )
        theirs.append((jpegxl_size(edges.grid), drawn))
        ours.append(_smallest(picture, *theirs[-1]))
    mean, their_mean = np.mean(ours, axis=0), np.mean(theirs, axis=0)
    return LinesResult(
        side=side,
        pictures=len(ours),
        jpegxl_bytes=float(their_mean[0]),
        jpegxl_f1=float(their_mean[1]),
        mean_bytes=float(mean[0]),
        f1=float(mean[1]),
        ratio=float(mean[0] / their_mean[0]),
        unmatched=sum(our_f1 < their_f1 for (_, our_f1), (_, their_f1) in zip(ours, theirs, strict=True)),
    )


def _shrunken_lines(pixels: NDArray[np.uint8], side: int) -> EdgeMap:
    """Find edges with Canny on the area-averaged picture."""
    height, width = pixels.shape[:2]
    small = cv2.resize(pixels, grid_size((width, height), side), interpolation=cv2.INTER_AREA)
    return EdgeMap(cv2.Canny(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), *REFERENCE_CANNY) > 0, (width, height))


def _smallest(picture: Measured, size: int, wanted: float) -> tuple[int, float]:
    """Return size and F1 of the smallest section with the wanted F1; of the largest tried one if none has it."""
    lines = LineFitter(find_contours(picture.pixels)[0], nested=False)
    low, high = _SHARES
    best = _at_budget(picture, lines, int(size * high))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        tried = _at_budget(picture, lines, int(size * middle))
        if tried[1] >= wanted:
            best, high = tried, middle
        else:
            low = middle
    return best


def _at_budget(picture: Measured, lines: LineFitter, budget: int) -> tuple[int, float]:
    sections = lines.fit(budget)
    decoded = Bitstream(Header(*CANVAS), sections).decode().structure
    return size_of(sections), picture.line_f1(decoded if isinstance(decoded, EdgeMap) else None)


def measure_nesting(pictures: Sequence[Measured], track: Track) -> NestingResult:
    """Encode the contours on three nested grids, and on the finest grid alone."""
    nested, alone = [], []
    sides: tuple[int, ...] = ()
    for picture in track(pictures, "nested lines"):
        edges = find_contours(picture.pixels)[0].draw(NESTED_SIDE, NESTED_SHORTEST)
        sections = edge_sections(edges, nested=True)
        sides = tuple(NESTED_SIDE >> step for step in range(len(sections)))[::-1]
        nested.append(size_of(sections))
        alone.append(size_of(edge_sections(edges, nested=False)))
    mean, alone_mean = float(np.mean(nested)), float(np.mean(alone))
    return NestingResult(sides, mean, alone_mean, mean / alone_mean)


def measure_pruning(pictures: Sequence[Measured], track: Track) -> tuple[PruningPoint, ...]:
    """Encode all contours on one grid; then without clutter; then also without ever longer contours."""
    results: dict[tuple[bool, int], list[tuple[int, float]]] = {pruning: [] for pruning in PRUNINGS}
    for picture in track(pictures, "pruned lines"):
        contours = find_contours(picture.pixels)[0]
        for (cluttered, shortest), so_far in results.items():
            edges = contours.draw(PRUNED_SIDE, shortest, clear_share=0 if cluttered else CLEAR_SHARE)
            so_far.append((size_of(edge_sections(edges, nested=False)), picture.line_f1(edges)))
    means = {pruning: np.mean(so_far, axis=0) for pruning, so_far in results.items()}
    return tuple(PruningPoint(*pruning, float(mean[0]), float(mean[1])) for pruning, mean in means.items())
