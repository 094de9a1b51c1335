"""Training data of the restoration network: pictures of 512x512 pixels with lines, coded at random rates."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from torch import Tensor

from codec.container.bitstream import Bitstream, Header
from codec.encoder.rate_control import LineFitter
from codec.layers import EdgeMap
from codec.structure.contours import find_contours
from receiver.rendering.restoration.restorer import draw_lines
from training.data.scenes import draw_scene, plan_scenes, read_things
from training.data.tiles import Source, Tile, is_held_out, load_tile, read_tiles
from training.restoration.coding import dequantise, prefix_planes, quantise, to_channels, to_coefficients, to_samples

_log = logging.getLogger(__name__)

#: Side of the packed pictures in pixels.
SIZE = 512

#: Limits of the lines in bytes, each as often as the others.
LINE_BYTES = (40, 48, 55, 62, 75, 90, 100, 100)

#: Range of the last bit planes to train for, 2^4 to 2^10; range in which most streams end, about 130 to 6,000 bytes;
#: share of samples from the latter range.
PLANES, USUAL_PLANES, USUAL_SHARE = (4.0, 11.0), (5.2, 9.9), 0.85

#: Share of streams that end with a whole plane, and of streams without the finest level of luma.
WHOLE_SHARE, NO_FINEST_SHARE = 0.35, 0.2

#: Share of batches with lines; of batches that are downscaled, which makes pictures sharper, and the sides in pixels;
#: of batches that are cropped, and the sizes; of batches that are turned by 90, 180 or 270 degrees.
LINES_SHARE = 0.6
SMALLER_SHARE, SIDES = 0.25, (320, 384, 448)
CUT_SHARE, CUTS = 0.15, ((384, 512), (512, 384), (384, 384), (256, 256))
TURNED_SHARE = 0.2

#: Share of pictures with other contrast and saturation, and the ranges of factors; share of grey pictures.
CHANGED_SHARE, CONTRASTS, SATURATIONS, GREY_SHARE = 0.5, (0.85, 1.15), (0.7, 1.2), 0.04

#: Share of the training sheets that is used for validation, in percent.
VALIDATION_PERCENT = 1


def pack_pictures(source: Source, folder: Path, *, scenes: int, limit: int | None, seed: int) -> None:
    """Write `train.npy` and `validation.npy` ((N, 512, 512, 3) uint8 RGB), and the lines of each, into `folder`.

    The lines are in `train-lines.npy` and `validation-lines.npy`, (N, 128, 16) uint8: maps of 128x128 bits, packed.
    Files that exist are kept.

    Args:
        source: folders of the pictures.
        folder: folder to write into.
        scenes: number of composed pictures in the training file.
        limit: maximum number of tiles per file; None for no limit.
        seed: random seed of the scenes and of the lines.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, kept in (("train", False), ("validation", True)):
        path, path_of_lines = folder / f"{name}.npy", folder / f"{name}-lines.npy"
        if not path.exists():
            tiles = [tile for tile in read_tiles(source.data) if not tile.held_out]
            chosen = [t for t in tiles if is_held_out(f"restoration/{t.sheet}", VALIDATION_PERCENT) is kept][:limit]
            _pack_tiles(source, path, chosen, scenes=0 if kept else scenes, seed=seed)
        pictures = np.load(path, mmap_mode="r")
        if not path_of_lines.exists():
            random = np.random.default_rng(seed)
            maps = [pack_lines(picture, int(random.choice(LINE_BYTES))) for picture in pictures]
            np.save(path_of_lines, np.stack(maps))
        _log.info("%s: %d pictures with lines", name, len(pictures))


def _pack_tiles(source: Source, path: Path, tiles: Sequence[Tile], *, scenes: int, seed: int) -> None:
    """Write tiles, then composed scenes, as one file; under a temporary name first, so that it is always complete."""
    plan = list(plan_scenes(read_things(source.objects), scenes, len(tiles), seed)) if source.objects and scenes else []
    unfinished = path.with_suffix(".part.npy")
    shape = (len(tiles) + len(plan), SIZE, SIZE, 3)
    pictures = open_memmap(unfinished, mode="w+", dtype=np.uint8, shape=shape)
    for row, tile in enumerate(tiles):
        pictures[row] = np.asarray(load_tile(source.data, tile), np.uint8)
    for row, scene in enumerate(plan, len(tiles)):
        assert source.objects is not None
        behind = pictures[scene.backdrop] if scene.backdrop >= 0 else None
        pictures[row] = draw_scene(source.objects, scene, behind, SIZE)
    pictures.flush()
    unfinished.replace(path)


def pack_lines(picture: NDArray[np.uint8], limit: int) -> NDArray[np.uint8]:
    """Return the lines of a picture as a receiver gets them in `limit` bytes: (128, 16) uint8, packed bits."""
    fitter = LineFitter(find_contours(np.ascontiguousarray(picture))[0], nested=False)
    lines = Bitstream(Header(SIZE, SIZE), fitter.fit(limit)).decode().structure
    drawn = draw_lines(lines) if isinstance(lines, EdgeMap) else np.zeros((SIZE // 4, SIZE // 4), np.float32)
    return np.packbits(drawn > 0, axis=1)


@dataclass(frozen=True, slots=True)
class CodedBatch:
    """Pictures of one size, each coded at a rate.

    Attributes:
        original, decoded: channels (N, 3, H, W) as `codec.wavelet.transform.inverse` returns them.
        magnitudes, signs, last_plane: (N, 3, H, W), what is known of the coefficients.
        lines: (N, 1, H / 4, W / 4), or None.
    """

    original: Tensor
    decoded: Tensor
    magnitudes: Tensor
    signs: Tensor
    last_plane: Tensor
    lines: Tensor | None

    @classmethod
    def of(cls, original: Tensor, last_plane: Tensor, lines: Tensor | None) -> "CodedBatch":
        """Code channels (N, 3, H, W) down to `last_plane`, (N, 3, H, W)."""
        magnitudes, signs = quantise(to_coefficients(original), last_plane)
        decoded = to_samples(dequantise(magnitudes, signs, last_plane))
        return cls(original, decoded, magnitudes, signs, last_plane, lines)


class Pictures:
    """Packed pictures with their lines, on the device of the training.

    Args:
        folder: folder that `pack_pictures` wrote.
        name: "train" or "validation".
        device: where batches are computed.
    """

    def __init__(self, folder: Path, name: str, device: torch.device) -> None:
        pictures = np.load(folder / f"{name}.npy", mmap_mode="r" if device.type == "cpu" else None)
        lines = np.unpackbits(np.load(folder / f"{name}-lines.npy"), axis=2)
        self.device = device
        self._pictures = pictures if device.type == "cpu" else torch.from_numpy(pictures).to(device)
        self._lines = torch.from_numpy(lines).to(device)

    def __len__(self) -> int:
        return len(self._lines)

    def take(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return pictures (N, 3, 512, 512), RGB from 0 to 255, and lines (N, 1, 128, 128), 0 or 1: float32."""
        if isinstance(self._pictures, Tensor):
            pictures = self._pictures[rows.to(self.device)]
        else:
            pictures = torch.from_numpy(self._pictures[rows.numpy()])
        lines = self._lines[rows.to(self.device), None].float()
        return pictures.permute(0, 3, 1, 2).float(), lines


class Sampler:
    """Sampler of coded batches. Changes sizes, orientation, contrast and saturation.

    Args:
        pictures: the packed pictures.
        seed: random seed.
    """

    def __init__(self, pictures: Pictures, seed: int) -> None:
        self.pictures = pictures
        self._random = np.random.default_rng(seed)

    def draw(self, size: int) -> CodedBatch:
        """Draw a batch of `size` pictures."""
        pictures, lines = self._resize(
            *self.pictures.take(torch.from_numpy(self._random.integers(0, len(self.pictures), size)))
        )
        if self._random.random() < 0.5:
            pictures, lines = pictures.flip(3), lines.flip(3)
        if self._random.random() < TURNED_SHARE:
            turns = int(self._random.integers(1, 4))
            pictures, lines = pictures.rot90(turns, (2, 3)), lines.rot90(turns, (2, 3))
        original = self._recolor(to_channels(pictures))
        shape = int(original.shape[2]), int(original.shape[3])
        shown = lines if self._random.random() < LINES_SHARE else None
        return CodedBatch.of(original, self._prefixes(size, shape), shown)

    def _resize(self, pictures: Tensor, lines: Tensor) -> tuple[Tensor, Tensor]:
        random, chance = self._random, self._random.random()
        if chance < SMALLER_SHARE:
            side = int(random.choice(SIDES))
            smaller = F.interpolate(pictures, (side, side), mode="bilinear", antialias=True, align_corners=False)
            return smaller, F.adaptive_max_pool2d(lines, (side // 4, side // 4))
        if chance < SMALLER_SHARE + CUT_SHARE:
            rows, columns = CUTS[random.integers(len(CUTS))]
            top, left = (4 * int(random.integers((SIZE - side) // 4 + 1)) for side in (rows, columns))
            cut = pictures[:, :, top : top + rows, left : left + columns]
            return cut, lines[:, :, top // 4 : (top + rows) // 4, left // 4 : (left + columns) // 4]
        return pictures, lines

    def _recolor(self, channels: Tensor) -> Tensor:
        count = len(channels)
        changed = self._random.random(count) < CHANGED_SHARE
        contrast, saturation = (
            np.where(changed, self._random.uniform(*bounds, count), 1.0) for bounds in (CONTRASTS, SATURATIONS)
        )
        saturation[self._random.random(count) < GREY_SHARE] = 0
        factors = np.stack([contrast, saturation, saturation], 1).astype(np.float32)
        return channels * torch.from_numpy(factors).to(channels.device)[:, :, None, None]

    def _prefixes(self, count: int, shape: tuple[int, int]) -> Tensor:
        random = self._random
        usual = random.random(count) < USUAL_SHARE
        planes = np.floor(np.where(usual, random.uniform(*USUAL_PLANES, count), random.uniform(*PLANES, count)))
        done = np.where(random.random(count) < WHOLE_SHARE, 1.0, random.random(count))
        finest = random.random(count) >= NO_FINEST_SHARE
        drawn = (planes.astype(np.float32), done.astype(np.float32), finest)
        return prefix_planes(shape, *(torch.from_numpy(each).to(self.pictures.device) for each in drawn))
