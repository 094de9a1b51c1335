"""The layers of a picture and their decoded content, the priors.

    semantic 0   Semantic            the prompt
    structure 1  EdgeMap, Skeleton   lines and people's poses
    texture 2    ColorMap            a coarse grid of colours, or the upper bit planes of wavelet coefficients
    detail 3     Plane               the bit planes below

A prior is the decoded content of a layer. It has the canvas that it was made for, and can be drawn at any size.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Optional

import cv2
import numpy as np
from numpy.typing import NDArray

from codec.layer_numbers import Layer as Layer
from codec.layer_numbers import Size as Size
from layercast_common.errors import UsageError

if TYPE_CHECKING:
    from codec.wavelet.plane import Plane


def grid_size(canvas: Size, long_side: int) -> Size:
    """Return (columns, rows) of a grid with `long_side` cells on the canvas's long side."""
    longest = max(canvas)
    return (max(1, round(canvas[0] * long_side / longest)), max(1, round(canvas[1] * long_side / longest)))


@dataclass(frozen=True, slots=True)
class Semantic:
    """The meaning of a picture, as text.

    Attributes:
        prompt: the text that the picture is rendered from.
    """

    prompt: str


@dataclass(frozen=True, eq=False)
class EdgeMap:
    """The lines of a picture, on a grid coarser than the canvas.

    Attributes:
        grid: (rows, columns) bool; true if a line crosses the cell.
        canvas: (width, height) of the picture, in pixels.
    """

    grid: NDArray[np.bool_]
    canvas: Size

    def __post_init__(self) -> None:
        if self.grid.ndim != 2 or self.grid.dtype != np.bool_ or 0 in self.grid.shape:
            raise UsageError(f"an edge grid is a non-empty 2-D bool array, not {self.grid.dtype} {self.grid.shape}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EdgeMap) and self.canvas == other.canvas and np.array_equal(self.grid, other.grid)

    def __hash__(self) -> int:
        return hash((self.canvas, self.grid.shape, self.grid.tobytes()))

    def to_image(self, size: Size | None = None, thickness: int | None = None) -> NDArray[np.uint8]:
        """Draw the lines: (H, W) uint8, 0 or 255, at `size` (width, height) or at the canvas size.

        Lines join the centres of neighbouring cells, so a coarse grid gives thin continuous lines instead of blocks.

        Args:
            size: (width, height) in pixels; None for the canvas size.
            thickness: of the lines, in pixels; None for one pixel per 256 of the long side.
        """
        width, height = size or self.canvas
        drawn = np.zeros((height, width), np.uint8)
        starts, ends = self._segments
        scale = np.array([width / self.grid.shape[1], height / self.grid.shape[0]])
        lines = np.stack([starts, ends], axis=1) + 0.5
        cv2.polylines(
            drawn,
            list(np.floor(lines * scale).astype(np.int32)),
            isClosed=False,
            color=255,
            thickness=thickness or max(1, round(max(width, height) / 256)),
        )
        return drawn

    @cached_property
    def _segments(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Start and end cells of each line to draw: two arrays (N, 2) of x and y. A lone cell is a line to itself."""
        grid = np.pad(self.grid, 1)
        here = grid[1:-1, 1:-1]
        right, below = here & grid[1:-1, 2:], here & grid[2:, 1:-1]
        # A diagonal is drawn only if no third cell joins its two ends around the corner.
        falling = here & grid[2:, 2:] & ~grid[1:-1, 2:] & ~grid[2:, 1:-1]
        rising = here & grid[2:, :-2] & ~grid[1:-1, :-2] & ~grid[2:, 1:-1]
        neighbours = cv2.filter2D(grid.astype(np.uint8), -1, np.ones((3, 3)), borderType=cv2.BORDER_CONSTANT)
        lone = here & (neighbours[1:-1, 1:-1] == 1)
        starts, ends = [], []
        for cells, step in ((right, (1, 0)), (below, (0, 1)), (falling, (1, 1)), (rising, (-1, 1)), (lone, (0, 0))):
            start = np.argwhere(cells)[:, ::-1]
            starts.append(start)
            ends.append(start + step)
        return np.concatenate(starts), np.concatenate(ends)


#: Number of points of OpenPose's 18-point body model.
SKELETON_POINTS = 18

#: Pairs of points that a limb joins, in OpenPose's drawing order.
SKELETON_LIMBS = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10),
    (1, 11), (11, 12), (12, 13), (1, 0), (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Skeleton:
    """Positions and poses of people: OpenPose's 18 body points for each person.

    Attributes:
        people: for each person 18 points, each (x, y) in canvas pixels, or None if not visible.
        canvas: (width, height) of the picture, in pixels.
    """

    people: tuple[tuple[tuple[float, float] | None, ...], ...]
    canvas: Size

    def __post_init__(self) -> None:
        if any(len(person) != SKELETON_POINTS for person in self.people):
            raise UsageError(f"a person is {SKELETON_POINTS} points")

    def to_image(self, size: Size | None = None) -> NDArray[np.uint8]:
        """Draw the limbs: (H, W) uint8, 0 or 255, at `size` (width, height) or at the canvas size."""
        width, height = size or self.canvas
        scale = np.array([width / self.canvas[0], height / self.canvas[1]])
        drawn = np.zeros((height, width), np.uint8)
        for person in self.people:
            points = [None if point is None else np.floor(np.array(point) * scale).astype(int) for point in person]
            for first, second in SKELETON_LIMBS:
                start, end = points[first], points[second]
                if start is not None and end is not None:
                    cv2.line(drawn, start.tolist(), end.tolist(), 255, thickness=max(1, max(width, height) // 128))
        return drawn


@dataclass(frozen=True, eq=False, slots=True)
class ColorMap:
    """The colours of a picture: a tiny grid of cell averages.

    Attributes:
        colors: (rows, columns, 3) uint8 RGB.
        canvas: (width, height) of the picture, in pixels.
    """

    colors: NDArray[np.uint8]
    canvas: Size

    def __post_init__(self) -> None:
        if self.colors.ndim != 3 or self.colors.shape[2] != 3 or self.colors.dtype != np.uint8 or not self.colors.size:
            raise UsageError(f"a colour map is (rows, columns, 3) uint8, not {self.colors.dtype} {self.colors.shape}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ColorMap) and self.canvas == other.canvas and np.array_equal(self.colors, other.colors)

    def __hash__(self) -> int:
        return hash((self.canvas, self.colors.shape, self.colors.tobytes()))

    def to_image(self, size: Size | None = None) -> NDArray[np.uint8]:
        """Draw the cells as flat squares: (H, W, 3) uint8 RGB, at `size` (width, height) or at the canvas size.

        T2I-Adapter's colour adapter was trained on this form (arXiv 2302.08453, section 3.3).
        """
        drawn = cv2.resize(self.colors, size or self.canvas, interpolation=cv2.INTER_NEAREST)
        return np.asarray(drawn, np.uint8)


@dataclass(frozen=True, slots=True)
class Priors:
    """The layers of a picture that have been decoded; any of them may be missing.

    Attributes:
        canvas: (width, height) of the picture, in pixels.
        semantic: the prompt, if present.
        structure: the lines, or the people if there are no lines.
        texture: the colours, if present.
        skeleton: the people, if a picture has both lines and people.
        plane: the wavelet coefficients, if colours and detail came as bit planes; `texture` then holds its averages.
    """

    canvas: Size
    semantic: Semantic | None = None
    structure: EdgeMap | Skeleton | None = None
    texture: ColorMap | None = None
    skeleton: Skeleton | None = field(default=None)
    plane: Optional["Plane"] = None

    @property
    def layers(self) -> frozenset[Layer]:
        """The layers that are present: the *level* of a picture rendered from these priors."""
        present = {
            Layer.SEMANTIC: self.semantic,
            Layer.STRUCTURE: self.structure or self.skeleton,
            Layer.TEXTURE: self.texture,
            Layer.DETAIL: self.plane if self.plane is not None and self.plane.has_detail else None,
        }
        return frozenset(layer for layer, prior in present.items() if prior is not None)

    def only(self, layers: Iterable[Layer]) -> "Priors":
        """Return the priors with only these layers."""
        kept = frozenset(layers)
        result = self
        if Layer.SEMANTIC not in kept:
            result = replace(result, semantic=None)
        if Layer.STRUCTURE not in kept:
            result = replace(result, structure=None, skeleton=None)
        if Layer.TEXTURE not in kept:
            result = replace(result, texture=None, plane=None)
        if Layer.DETAIL not in kept and result.plane is not None:
            result = replace(result, plane=result.plane.without_detail())
        return result
