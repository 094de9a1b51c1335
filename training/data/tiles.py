"""The training pictures: their files, splits and crops.

The data set is a folder of *sheets* (1024x1024 WebP, four Stable Diffusion pictures of 512x512 each) and a
``tiles.jsonl`` with every picture's sheet, crop box, subject, style prompt and categories. A *tile* is one of these
pictures, a *view* a crop of a tile. A *row* is a training picture: first come the views, then the composed scenes.
"""

import argparse
import dataclasses
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

from training.data.scenes import Scene, Thing, draw_scene

#: Share of sheets held out of the embedded model's training, and of the tables'. Whole sheets are held out, because the
#: four pictures of a sheet share a style. The first set is part of the second, so it is unseen by both.
HELD_OUT_PERCENT = 5
TABLES_HELD_OUT_PERCENT = 20


@dataclass(frozen=True, slots=True)
class Tile:
    """One picture of a sheet.

    Attributes:
        sheet: file name of the sheet.
        box: left, top, right and bottom in the sheet, in pixels.
        subject: its subject, or None if it varies.
        style: its style prompt.
        categories: its categories.
    """

    sheet: str
    box: tuple[int, int, int, int]
    subject: str | None
    style: str
    categories: tuple[str, ...]

    @property
    def held_out(self) -> bool:
        """Whether the picture is held out of the embedded model's training and the tables'."""
        return is_held_out(self.sheet, HELD_OUT_PERCENT)

    @property
    def held_out_of_tables(self) -> bool:
        """Whether the picture is held out of the training of the coders' tables."""
        return is_held_out(self.sheet, TABLES_HELD_OUT_PERCENT)


def is_held_out(name: str, percent: int) -> bool:
    """Return whether a sheet or prompt is held out. This depends on the name alone, so that splits never change."""
    digest = hashlib.sha256(name.encode()).digest()
    return digest[0] * 256 + digest[1] < 65536 * percent // 100


@dataclass(frozen=True, slots=True)
class View:
    """A square crop of a tile: `tile` is an index into the tile list, `box` is in pixels of the 512-pixel tile."""

    tile: int
    box: tuple[int, int, int, int]


def read_tiles(data: Path) -> list[Tile]:
    """Read the picture list of the data set in folder `data`."""
    lines = (data / "tiles.jsonl").read_text(encoding="utf-8").splitlines()
    return [tile_from_row(json.loads(line)) for line in lines if line.strip()]


def tile_from_row(row: dict[str, Any]) -> Tile:
    """Return a tile from its JSON form, in the data set's list or in a packed split."""
    return Tile(row["sheet"], tuple(row["box"]), row["subject"], row["style"], tuple(row["categories"]))


def load_tile(data: Path, tile: Tile) -> Image.Image:
    """Load one picture, 512x512 RGB."""
    return _sheet(data / "sheets" / tile.sheet).crop(tile.box)


@lru_cache(maxsize=4)
def _sheet(path: Path) -> Image.Image:
    with Image.open(path, formats=("PNG", "WEBP", "JPEG")) as image:
        return image.convert("RGB")


def choose_views(tiles: Sequence[Tile], crops: int, seed: int) -> Iterator[View]:
    """Yield the whole picture and `crops` random square crops (70 to 95 % of the side) of every tile."""
    random = np.random.default_rng(seed)
    for index, tile in enumerate(tiles):
        side = tile.box[2] - tile.box[0]
        yield View(index, (0, 0, side, side))
        for _ in range(crops):
            cut = int(side * random.uniform(0.7, 0.95))
            left, top = (int(value) for value in random.integers(0, side - cut + 1, 2))
            yield View(index, (left, top, left + cut, top + cut))


def cut_view(picture: Image.Image, view: View, size: int) -> NDArray[np.uint8]:
    """Crop a view out of its tile's picture and scale it to (size, size, 3) uint8 RGB."""
    return np.asarray(picture.resize((size, size), Image.Resampling.LANCZOS, box=view.box), dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class Source:
    """The folders of the data set.

    Attributes:
        data: folder with ``tiles.jsonl`` and ``sheets/``.
        objects: folder of the objects for scenes; None for no scenes.
    """

    data: Path
    objects: Path | None


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a split, numbered through the views and then the scenes."""

    tiles: list[Tile]
    views: list[View]
    scenes: list[Scene]

    def __len__(self) -> int:
        return len(self.views) + len(self.scenes)

    def draw(self, row: int, source: Source, size: int) -> NDArray[np.uint8]:
        """Return the picture of a row, (size, size, 3) uint8 RGB."""
        if row < len(self.views):
            view = self.views[row]
            return cut_view(load_tile(source.data, self.tiles[view.tile]), view, size)
        scene = self.scenes[row - len(self.views)]
        behind = None
        if scene.backdrop >= 0:
            tile = load_tile(source.data, self.tiles[scene.backdrop])
            behind = np.asarray(tile.resize((size, size), Image.Resampling.LANCZOS), np.uint8)
        assert source.objects is not None
        return draw_scene(source.objects, scene, behind, size)

    def save(self, path: Path) -> None:
        """Write the rows as JSON."""
        path.write_text(json.dumps(dataclasses.asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Rows":
        """Read rows that `save` wrote."""
        stored = json.loads(path.read_text(encoding="utf-8"))
        return cls(
            tiles=[tile_from_row(row) for row in stored["tiles"]],
            views=[View(row["tile"], tuple(row["box"])) for row in stored["views"]],
            scenes=[
                Scene(
                    seed=row["seed"],
                    things=tuple(Thing(**thing) for thing in row["things"]),
                    ground=row["ground"],
                    colors=tuple(row["colors"]),
                    backdrop=row["backdrop"],
                )
                for row in stored.get("scenes", [])
            ],
        )


def add_source_options(parser: argparse.ArgumentParser) -> None:
    """Add `--data` and `--objects`, the folders of the data set."""
    parser.add_argument("--data", type=Path, required=True, help="folder with tiles.jsonl and sheets/")
    parser.add_argument("--objects", type=Path, help="folder with objects.json, for composed scenes")


def add_work_option(parser: argparse.ArgumentParser) -> None:
    """Add `--work`, the folder that the stages share."""
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("build/training"),
        help="folder of packed pictures, checkpoints and logs (default: %(default)s)",
    )
