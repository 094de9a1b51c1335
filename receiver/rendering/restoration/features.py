"""The input features of the restoration network: the surroundings of a wavelet coefficient.

All values are in steps of the last known bit plane, so that they look similar at all rates. A *place* is a position in
the grid of a level. It has three coefficients (one per orientation) of each channel.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codec.compiled import compiled
from codec.wavelet.plane import Plane
from codec.wavelet.transform import Band, bands, count_levels, inverse, top_plane

#: Number of levels that are estimated, from the finest. Of the finest level only luma is estimated.
LEVELS = 5

#: Number of levels, from the finest, whose last bit planes are features. Those of the low band follow at the end.
KNOWN_LEVELS = 7

#: The last bit plane in features and weights where no plane is known.
MAX_PLANE = 15

#: Features of a place: surrounding luma at 2, 1/2 and 1/8 of the grid's resolution; surrounding chroma; surrounding
#: luma coefficients; chroma coefficients of the place; luma coefficients of the finer level; last bit planes of the
#: picture; local means.
FEATURES = 64 + 25 + 25 + 18 + 27 + 6 + 12 + 2 * (KNOWN_LEVELS + 1) + 1 + 3

#: Shades of flat surroundings.
FLAT_SHADES = 33

_PAD = 8


@dataclass(frozen=True, slots=True)
class LevelMaps:
    """The maps from which features of a level's places are gathered, float32, padded by `_PAD` on all sides.

    Attributes:
        fine, half, eighth: (H, W) luma at 2, 1/2 and 1/8 of the grid's resolution, or at the coarsest available one.
        steps: places of the grid per sample of `half` and of `eighth`, along an axis.
        chroma: (2, H, W) at the grid's resolution.
        places: (9, H, W), coefficients in steps, by orientation, each Y, Cb, Cr.
        children: (3, 2 H, 2 W), luma coefficients of the finer level; zero if there is no finer level.
        known: features of the whole picture: its last bit planes.
        scale: factor that converts luma to steps.
        shape: rows and columns of the grid, without padding.
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
    """Return the mean last bit plane of each level and of the low band: float32 (2, KNOWN_LEVELS + 1), luma, chroma."""
    sums = np.zeros((2, KNOWN_LEVELS + 1))
    counts = np.zeros(KNOWN_LEVELS + 1)
    levels, top = count_levels(*plane.canvas), top_plane(*plane.canvas)
    for band in bands(*plane.canvas):
        place = KNOWN_LEVELS if band.orientation == 0 else min(band.level, KNOWN_LEVELS) - 1
        last = plane.last_plane[:, *band.area]
        last = np.where(last > top, MAX_PLANE, last)
        size = band.height * band.width
        sums[0, place] += last[0].mean() * size
        sums[1, place] += last[1:].mean() * size
        counts[place] += size
    means = sums / np.maximum(counts, 1)
    # If the picture has fewer levels, repeat the coarsest one.
    means[:, levels:KNOWN_LEVELS] = means[:, [min(levels, KNOWN_LEVELS) - 1]]
    return means.astype(np.float32)


def level_maps(plane: Plane, coefficients: NDArray[np.float32]) -> list[LevelMaps]:
    """Return the maps of each estimated level of a picture, from the finest.

    Args:
        plane: the decoded state of the picture.
        coefficients: the result of `plane.to_coefficients()`, float32 (3, H, W).
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
    """Gather the features of places of a level: float32 (N, FEATURES).

    Args:
        maps: the maps of the level.
        rows: (N,) int64, rows of the places in the grid.
        columns: (N,) int64, columns of the places in the grid.
    """
    shown = np.empty((len(rows), FEATURES), np.float32)
    pictures = (maps.fine, maps.half, maps.eighth)
    steps = (np.float32(1 / maps.steps[0]), np.float32(1 / maps.steps[1]))
    _gather(rows, columns, pictures, steps, (maps.chroma, maps.places, maps.children), np.float32(maps.scale), shown)
    shown[:, FEATURES - 3 - len(maps.known) : FEATURES - 3] = maps.known
    return shown


def flat_features(maps: LevelMaps) -> NDArray[np.float32]:
    """Return the features of grey, flat surroundings, from dark to light: float32 (FLAT_SHADES, FEATURES)."""
    shown = np.zeros((FLAT_SHADES, FEATURES), np.float32)
    shown[:, FEATURES - 3 - len(maps.known) : FEATURES - 3] = maps.known
    shown[:, FEATURES - 3] = np.linspace(-2, 2, FLAT_SHADES)
    return shown


def flat_rows(shown: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the row of `flat_features` with the shade nearest to that of each place: int64 (N,).

    Args:
        shown: float32 (N, FEATURES), features of the places.
    """
    rows = np.rint((shown[:, FEATURES - 3] + 2) * ((FLAT_SHADES - 1) / 4)).astype(np.int64)
    return np.asarray(np.clip(rows, 0, FLAT_SHADES - 1), np.int64)


def estimated_bands(canvas: tuple[int, int]) -> Iterator[Band]:
    """Return the bands in which coefficients are estimated, from coarse to fine."""
    return (band for band in bands(*canvas) if band.orientation and band.level <= LEVELS)


def _padded(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.pad(picture, ((0, 0), (_PAD, _PAD), (_PAD, _PAD)), mode="edge")


@compiled
def _squeezed(value: np.float32) -> np.float32:
    """Compress large values: v / (1 + |v| / 4)."""
    return np.float32(value / (np.float32(1) + np.float32(0.25) * abs(value)))


@compiled
def _between(picture: NDArray[np.float32], row: np.float32, column: np.float32) -> np.float32:
    """Interpolate bilinearly; outside the picture, use the value at the edge."""
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
        # The window in `fine` is 8x8 samples; the four samples of the place are in its middle.
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
