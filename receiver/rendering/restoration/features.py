"""What the restoration network is shown of the surroundings of a wavelet coefficient.

All is in steps of the bit plane that a picture is known to, so that it looks much the same at any rate. A *place* is a
position in the grid of a level, which has three coefficients of each channel.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codec.compiled import compiled
from codec.wavelet.plane import Plane
from codec.wavelet.transform import Band, bands, count_levels, inverse, top_plane

#: The finest levels, which are estimated; of the first, luma alone.
LEVELS = 5

#: Levels, counted from the finest, whose last bit planes are told, and the low band's at the end.
TOLD_LEVELS = 7

#: Where nothing is known, this plane is told as the last one.
MOST_PLANE = 15

#: Numbers of a place: the luma around at twice the grid's resolution, at half and at an eighth of it; chroma around;
#: luma's coefficients around, chroma's here, luma's of the finer level here; what is known of the picture; its means.
FEATURES = 64 + 25 + 25 + 18 + 27 + 6 + 12 + 2 * (TOLD_LEVELS + 1) + 1 + 3

_PAD = 8


@dataclass(frozen=True, slots=True)
class LevelMaps:
    """What features of a level's places are made of, float32, padded by `_PAD` on all sides.

    Attributes:
        fine, half, eighth: (H, W) luma at resolutions of 2, 1/2 and 1/8 of the grid's, or the coarsest there is.
        steps: the grid's places per sample of `half` and of `eighth`.
        chroma: (2, H, W) at the grid's resolution.
        places: (9, H, W), coefficients in steps, orientation by orientation.
        children: (3, 2 H, 2 W), luma's of the finer level; zero where there is none.
        known: what is told of the whole picture.
        scale: what luma is multiplied by to be in steps.
        shape: rows and columns of the grid.
    """

    fine: NDArray[np.float32]
    half: NDArray[np.float32]
    eighth: NDArray[np.float32]
    steps: tuple[float, float]
    chroma: NDArray[np.float32]
    places: NDArray[np.float32]
    children: NDArray[np.float32]
    known: NDArray[np.float32]
    scale: float
    shape: tuple[int, int]


def mean_planes(plane: Plane) -> NDArray[np.float32]:
    """Down to which bit plane levels are known on the mean: float32 (2, TOLD_LEVELS + 1), luma and chroma."""
    sums = np.zeros((2, TOLD_LEVELS + 1))
    counts = np.zeros(TOLD_LEVELS + 1)
    levels, top = count_levels(*plane.canvas), top_plane(*plane.canvas)
    for band in bands(*plane.canvas):
        place = TOLD_LEVELS if band.orientation == 0 else min(band.level, TOLD_LEVELS) - 1
        last = plane.last_plane[:, *band.area]
        last = np.where(last > top, MOST_PLANE, last)
        size = band.height * band.width
        sums[0, place] += last[0].mean() * size
        sums[1, place] += last[1:].mean() * size
        counts[place] += size
    means = sums / np.maximum(counts, 1)
    # A picture of fewer levels: its coarsest stands for those that it lacks.
    means[:, levels:TOLD_LEVELS] = means[:, [min(levels, TOLD_LEVELS) - 1]]
    return means.astype(np.float32)


def level_maps(plane: Plane, coefficients: NDArray[np.float32]) -> list[LevelMaps]:
    """The maps of each estimated level that a picture has, from the finest.

    Args:
        plane: what is known.
        coefficients: its `to_coefficients()`.
    """
    levels = count_levels(*plane.canvas)
    pictures = [_padded(inverse(coefficients, skip)) for skip in range(levels + 1)]
    places = np.clip((plane.magnitudes + np.float32(0.45)) * plane.signs, -6, 6).astype(np.float32) / 2
    planes = mean_planes(plane)
    reached = float(planes[0, 2:LEVELS].mean())
    known = np.append(np.clip(planes - reached, -2, 2).ravel(), (reached - 8) / 3).astype(np.float32)
    by_level: dict[int, NDArray[np.float32]] = {}
    for band in estimated_bands(plane.canvas):
        height, width = (side - 2 * _PAD for side in pictures[band.level].shape[1:])
        stacked = by_level.setdefault(band.level, np.zeros((9, height + 2 * _PAD, width + 2 * _PAD), np.float32))
        kind = 3 * (band.orientation - 1)
        area = (slice(_PAD, _PAD + band.height), slice(_PAD, _PAD + band.width))
        stacked[kind : kind + 3, *area] = places[:, *band.area]
    maps = []
    for level in range(1, min(levels, LEVELS) + 1):
        half, eighth = (min(level + more, levels) for more in (1, 3))
        shape = pictures[level].shape[1] - 2 * _PAD, pictures[level].shape[2] - 2 * _PAD
        children = by_level[level - 1][::3] if level > 1 else np.zeros((3, 2 * shape[0] + 16, 2 * shape[1] + 16), "f4")
        maps.append(
            LevelMaps(
                fine=pictures[level - 1][0],
                half=pictures[half][0],
                eighth=pictures[eighth][0],
                steps=(2.0 ** (half - level), 2.0 ** (eighth - level)),
                chroma=pictures[level][1:],
                places=by_level.get(level, np.zeros((9, *pictures[level].shape[1:]), np.float32)),
                children=np.ascontiguousarray(children),
                known=known,
                scale=2.0 ** (level - 1 - reached),
                shape=shape,
            )
        )
    return maps


def features(maps: LevelMaps, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.float32]:
    """What is shown of places of a level: float32 (N, FEATURES)."""
    shown = np.empty((len(rows), FEATURES), np.float32)
    pictures = (maps.fine, maps.half, maps.eighth)
    steps = (np.float32(1 / maps.steps[0]), np.float32(1 / maps.steps[1]))
    _gather(rows, columns, pictures, steps, (maps.chroma, maps.places, maps.children), np.float32(maps.scale), shown)
    shown[:, FEATURES - 3 - len(maps.known) : FEATURES - 3] = maps.known
    return shown


def estimated_bands(canvas: tuple[int, int]) -> Iterator[Band]:
    """The bands of which something is estimated."""
    return (band for band in bands(*canvas) if band.orientation and band.level <= LEVELS)


def _padded(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.pad(picture, ((0, 0), (_PAD, _PAD), (_PAD, _PAD)), mode="edge")


@compiled
def _squeezed(value: np.float32) -> np.float32:
    """Large values count less and less."""
    return np.float32(value / (np.float32(1) + np.float32(0.25) * abs(value)))


@compiled
def _between(picture: NDArray[np.float32], row: np.float32, column: np.float32) -> np.float32:
    """Bilinear interpolation, outside as at the edge."""
    row = min(max(row, np.float32(-4)), np.float32(picture.shape[0] - 2 * _PAD + 3)) + np.float32(_PAD)
    column = min(max(column, np.float32(-4)), np.float32(picture.shape[1] - 2 * _PAD + 3)) + np.float32(_PAD)
    y, x = int(row), int(column)
    v, u = row - np.float32(y), column - np.float32(x)
    upper = picture[y, x] + u * (picture[y, x + 1] - picture[y, x])
    lower = picture[y + 1, x] + u * (picture[y + 1, x + 1] - picture[y + 1, x])
    return np.float32(upper + v * (lower - upper))


@compiled
def _gather(
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    pictures: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]],
    steps: tuple[np.float32, np.float32],
    stacks: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]],
    scale: np.float32,
    shown: NDArray[np.float32],
) -> None:
    fine, half, eighth = pictures
    chroma, places, children = stacks
    for n in range(rows.shape[0]):
        # The least place of `fine` in the window is 3 before the first of the four that are halved into one.
        y, x = rows[n] + _PAD, columns[n] + _PAD
        fy, fx = 2 * rows[n] + _PAD, 2 * columns[n] + _PAD
        mean = np.float32(0.25) * (fine[fy, fx] + fine[fy, fx + 1] + fine[fy + 1, fx] + fine[fy + 1, fx + 1])
        at = 0
        for dy in range(-3, 5):
            for dx in range(-3, 5):
                shown[n, at + dx + 3] = _squeezed((fine[fy + dy, fx + dx] - mean) * scale)
            at += 8
        row, column = np.float32(rows[n]) + np.float32(0.25), np.float32(columns[n]) + np.float32(0.25)
        for dy in range(-2, 3):
            for dx in range(-2, 3):
                value = _between(half, row * steps[0] + np.float32(dy), column * steps[0] + np.float32(dx))
                shown[n, at] = _squeezed((value - mean) * scale)
                value = _between(eighth, row * steps[1] + np.float32(dy), column * steps[1] + np.float32(dx))
                shown[n, at + 25] = _squeezed((value - mean) * scale)
                at += 1
        at += 25
        for channel in range(2):
            for dy in range(-1, 2):
                for dx in range(-1, 2):
                    difference = chroma[channel, y + dy, x + dx] - chroma[channel, y, x]
                    shown[n, at] = _squeezed(np.float32(2) * difference * scale)
                    at += 1
        for kind in range(0, 9, 3):
            for dy in range(-1, 2):
                for dx in range(-1, 2):
                    shown[n, at] = places[kind, y + dy, x + dx]
                    at += 1
            shown[n, at] = places[kind + 1, y, x]
            shown[n, at + 1] = places[kind + 2, y, x]
            at += 2
        for kind in range(3):
            for dy in range(2):
                for dx in range(2):
                    shown[n, at] = children[kind, fy + dy, fx + dx]
                    at += 1
        shown[n, shown.shape[1] - 3] = mean * np.float32(1 / 64)
        shown[n, shown.shape[1] - 2] = chroma[0, y, x] * np.float32(1 / 64)
        shown[n, shown.shape[1] - 1] = chroma[1, y, x] * np.float32(1 / 64)
