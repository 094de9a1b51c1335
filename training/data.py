"""The training pictures: where they are, how they are split, how they are cut.

The data set is a folder of *sheets* (1024x1024 WebP, four Stable Diffusion pictures of 512x512 each) and a
``tiles.jsonl`` that names every picture's sheet, crop box, subject, style prompt and categories.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

#: Sheets are kept out of training whole, since the four pictures of one share a style.
HELD_OUT_PERCENT = 5


@dataclass(frozen=True, slots=True)
class Tile:
    """One picture of a sheet."""

    sheet: str
    box: tuple[int, int, int, int]
    subject: str | None
    style: str
    categories: tuple[str, ...]

    @property
    def held_out(self) -> bool:
        """Whether the picture is kept for measuring: decided by its sheet's name alone, so the split never moves."""
        digest = hashlib.sha256(self.sheet.encode()).digest()
        return digest[0] * 256 + digest[1] < 65536 * HELD_OUT_PERCENT // 100


@dataclass(frozen=True, slots=True)
class View:
    """A square cut of a tile: `tile` is an index into the tile list, `box` is in pixels of the 512-pixel tile."""

    tile: int
    box: tuple[int, int, int, int]


def read_tiles(data: Path) -> list[Tile]:
    """Read the picture list of the data set in folder `data`."""
    lines = (data / "tiles.jsonl").read_text(encoding="utf-8").splitlines()
    return [tile_from_row(json.loads(line)) for line in lines if line.strip()]


def tile_from_row(row: dict[str, Any]) -> Tile:
    """A tile from its JSON form, in the data set's list or in a packed split."""
    return Tile(row["sheet"], tuple(row["box"]), row["subject"], row["style"], tuple(row["categories"]))


def load_tile(data: Path, tile: Tile) -> Image.Image:
    """Load one picture, 512x512 RGB."""
    return _sheet(data / "sheets" / tile.sheet).crop(tile.box)


@lru_cache(maxsize=4)
def _sheet(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def choose_views(tiles: Sequence[Tile], crops: int, seed: int) -> Iterator[View]:
    """Yield the whole picture and `crops` random square cuts (70 to 95 % of the side) of every tile."""
    random = np.random.default_rng(seed)
    for index, tile in enumerate(tiles):
        side = tile.box[2] - tile.box[0]
        yield View(index, (0, 0, side, side))
        for _ in range(crops):
            cut = int(side * random.uniform(0.7, 0.95))
            left, top = (int(value) for value in random.integers(0, side - cut + 1, 2))
            yield View(index, (left, top, left + cut, top + cut))


def cut_view(picture: Image.Image, view: View, size: int) -> NDArray[np.uint8]:
    """Cut `view` out of its tile's picture and scale it to (size, size, 3) uint8 RGB."""
    return np.asarray(picture.resize((size, size), Image.Resampling.LANCZOS, box=view.box), dtype=np.uint8)
