"""Training data of the restoration network: pictures of 512x512 pixels, known down to a prefix of a plane code."""

import logging
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from codec.wavelet.plane import Plane
from codec.wavelet.transform import Band, bands, forward, to_channels, top_plane
from receiver.rendering.restoration.features import (
    LEVELS,
    MAX_PLANE,
    estimated_bands,
    features,
    level_maps,
    mean_planes,
)
from training.data.scenes import draw_scene, plan_scenes, read_things
from training.data.tiles import Source, is_held_out, load_tile, read_tiles

_log = logging.getLogger(__name__)

#: Side of the packed pictures in pixels.
SIZE = 512

#: Range of the last bit planes to train for, 2^4 to 2^10; range in which most streams end, about 130 to 6,000 bytes;
#: share of samples from the latter range.
PLANES, USUAL_PLANES, USUAL_SHARE = (4.0, 11.0), (5.2, 9.9), 0.85

#: Share of streams that end with a whole plane.
WHOLE_SHARE = 0.35

#: Share of streams without the finest level: of luma, of chroma.
NO_FINEST_LUMA, NO_FINEST_CHROMA = 0.2, 0.7

#: Share of pictures that are downscaled, which makes them sharper, and the minimum side in pixels.
SMALLER_SHARE, SMALLEST_SIZE = 0.25, 320

#: Number of places drawn per level of a picture, from the finest.
PLACES = (2000, 2500, 2000, 900, 256)

#: Share of the training sheets that is used for validation, in percent.
VALIDATION_PERCENT = 1


def pack_pictures(source: Source, folder: Path, *, scenes: int, limit: int | None, seed: int) -> None:
    """Write `train.npy` and `validation.npy` ((N, 512, 512, 3) uint8 RGB) into `folder`. Keep files that exist.

    Args:
        source: folders of the pictures.
        folder: folder to write into.
        scenes: number of composed pictures in the training file.
        limit: maximum number of tiles per file; None for no limit.
        seed: random seed of the scenes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tiles = [tile for tile in read_tiles(source.data) if not tile.held_out]
    for name, kept in (("train", False), ("validation", True)):
        if (folder / f"{name}.npy").exists():
            continue
        chosen = [t for t in tiles if is_held_out(f"restoration/{t.sheet}", VALIDATION_PERCENT) is kept][:limit]
        things = read_things(source.objects) if source.objects and not kept else []
        plan = list(plan_scenes(things, scenes, len(chosen), seed)) if things else []
        # Write under a temporary name first, so that an existing file is always complete.
        unfinished = folder / f"{name}.part.npy"
        pictures = open_memmap(unfinished, mode="w+", dtype=np.uint8, shape=(len(chosen) + len(plan), SIZE, SIZE, 3))
        for row, tile in enumerate(chosen):
            pictures[row] = np.asarray(load_tile(source.data, tile), np.uint8)
        for row, scene in enumerate(plan, len(chosen)):
            assert source.objects is not None
            behind = pictures[scene.backdrop] if scene.backdrop >= 0 else None
            pictures[row] = draw_scene(source.objects, scene, behind, SIZE)
        pictures.flush()
        unfinished.replace(folder / f"{name}.npy")
        _log.info("%s: %d pictures", name, len(pictures))


def prefix_planes(shape: tuple[int, int], plane: int, done: float, finest: tuple[bool, bool]) -> NDArray[np.int8]:
    """Return the last bit plane of each coefficient for a stream that ends within a plane.

    Args:
        shape: (H, W) in pixels.
        plane: the last plane, complete or in part.
        done: share of this plane's bands that are received, from coarse to fine, each in the order Y, Cb, Cr. A
            fractional band is received in part, by rows.
        finest: whether the stream contains the finest level, of luma and of chroma.

    Returns:
        int8 (3, H, W).
    """
    height, width = shape
    planes = np.full((3, height, width), plane + 1, np.int8)
    parts: list[tuple[int, Band]] = [(channel, band) for band in bands(width, height) for channel in range(3)]
    whole, rest = divmod(done * len(parts), 1)
    for number, (channel, band) in enumerate(parts):
        rows, columns = band.area
        if number < whole:
            planes[channel, rows, columns] = plane
        elif number == whole:
            planes[channel, rows.start : rows.start + int(rest * band.height), columns] = plane
        if band.level == 1 and not finest[min(channel, 1)]:
            planes[channel, rows, columns] = top_plane(width, height) + 1
    return planes


@dataclass(frozen=True, slots=True)
class Places:
    """Sampled places of a level.

    Attributes:
        shown: float32 (N, FEATURES).
        goals: float32 (N, 9), distances of the coefficients from their decoded values.
        planes: mean last bit planes of the level, luma and chroma.
    """

    shown: NDArray[np.float32]
    goals: NDArray[np.float32]
    planes: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Cut:
    """A square crop of a picture, coded as a picture of its own.

    Attributes:
        shown: float32 (N, FEATURES), features of all places of each level, row by row.
        planes: mean last bit planes of each level, luma and chroma.
        decoded, original: float32 (3, S, S), decoded and original coefficients.
    """

    shown: list[NDArray[np.float32]]
    planes: list[tuple[float, float]]
    decoded: NDArray[np.float32]
    original: NDArray[np.float32]


class Sampler:
    """Sampler of places and crops of packed pictures, at random rates. Rotates, mirrors and downscales pictures."""

    def __init__(self, pictures: NDArray[np.uint8], seed: int) -> None:
        self.pictures = pictures
        self.random = np.random.default_rng(seed)

    def draw(self) -> list[Places]:
        """Draw places of each level, from the finest, of one picture at one rate."""
        random = self.random
        original = forward(to_channels(self._picture()))
        plane = self._prefix(original)
        decoded = plane.to_coefficients()
        planes = mean_planes(plane)
        drawn = []
        for level, maps in enumerate(level_maps(plane, decoded), 1):
            rows, columns = (random.integers(0, side, PLACES[level - 1]) for side in maps.shape)
            goals = np.zeros((9, len(rows)), np.float32)
            for band in estimated_bands(plane.canvas):
                if band.level == level:
                    y, x = np.minimum(rows, band.height - 1), np.minimum(columns, band.width - 1)
                    distances = (original - decoded)[:, *band.area]
                    goals[3 * band.orientation - 3 : 3 * band.orientation] = distances[:, y, x]
            known = float(planes[0, level - 1]), float(planes[1, level - 1])
            drawn.append(Places(features(maps, rows, columns), goals.T, known))
        return drawn

    def cut(self, size: int) -> Cut:
        """Draw a crop of `size` x `size` pixels, a multiple of 32, at one rate."""
        picture = self._picture()
        top, left = (int(start) for start in self.random.integers(0, len(picture) - size + 1, 2))
        cut = np.ascontiguousarray(picture[top : top + size, left : left + size])
        original = forward(to_channels(cut))
        plane = self._prefix(original)
        decoded = plane.to_coefficients()
        shown = []
        for maps in level_maps(plane, decoded):
            rows, columns = (axis.ravel() for axis in np.mgrid[: maps.shape[0], : maps.shape[1]])
            shown.append(features(maps, rows, columns))
        planes = [(float(luma), float(chroma)) for luma, chroma in mean_planes(plane).T[: len(shown)]]
        return Cut(shown, planes, decoded, original)

    def _prefix(self, original: NDArray[np.float32]) -> Plane:
        random = self.random
        place = random.uniform(*(USUAL_PLANES if random.random() < USUAL_SHARE else PLANES))
        done = 1.0 if random.random() < WHOLE_SHARE else random.random()
        finest = (bool(random.random() >= NO_FINEST_LUMA), bool(random.random() >= NO_FINEST_CHROMA))
        return Plane.of(original, prefix_planes(original.shape[1:], int(place), done, finest))

    def _picture(self) -> NDArray[np.uint8]:
        random = self.random
        picture = self.pictures[random.integers(len(self.pictures))]
        if random.random() < SMALLER_SHARE:
            # A multiple of 32, so that every estimated level halves the sides exactly.
            side = 32 * int(random.integers(SMALLEST_SIZE // 32, SIZE // 32))
            picture = np.asarray(cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
        picture = np.rot90(picture, int(random.integers(4)))
        return np.ascontiguousarray(picture[:, ::-1] if random.random() < 0.5 else picture)


def measure_spread(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Measure the typical distance of coefficients from their decoded values.

    Args:
        pictures: (N, 512, 512, 3) uint8 RGB.

    Returns:
        Root mean squares by level from the finest, luma and chroma, last bit plane: float32 (LEVELS, 2, MAX_PLANE + 1).
    """
    spread = np.zeros((LEVELS, 2, MAX_PLANE + 1))
    for picture in pictures:
        original = forward(to_channels(picture))
        for plane in range(MAX_PLANE + 1):
            last_plane = np.full(original.shape, min(plane, top_plane(SIZE, SIZE) + 1), np.int8)
            squares = (original - Plane.of(original, last_plane).to_coefficients()) ** 2
            for band in estimated_bands((SIZE, SIZE)):
                means = squares[:, *band.area].mean((1, 2))
                spread[band.level - 1, :, plane] += (means[0] / 3, means[1:].mean() / 3)
    return np.sqrt(spread / len(pictures)).astype(np.float32)
