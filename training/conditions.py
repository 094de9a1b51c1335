"""Stage 2: what the receiver will hold of each picture - edge grids and colour cells - packed beside the pictures.

python -m training.conditions --data DATA --work build/training
"""

import argparse
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from codec.analysis.colors import average_colors
from codec.analysis.edges import detect_edges
from codec.analysis.palette import dominant_colors, plain_caption
from codec.layers import EdgeMap
from training.data import View, cut_view, load_tile, read_tiles
from training.pack import SIZE

#: Cells on the long side of the edge grids that the codec may send.
GRIDS = (64, 96, 128, 192, 256)

#: The canvas that edges and colours are taken from, in pixels.
CANVAS = 512

#: Area share from which a colour is named in captions.
MAIN_SHARE = 0.12


@dataclass(frozen=True, slots=True)
class Conditions:
    """Edge grids and colour cells of every view of a split.

    Attributes:
        edges: for each grid size, (N, bytes) uint8 packed bits.
        colors: (N, 8, 8, 3) uint8 RGB cell averages.
        color_names: for each view the names of its main colours.
        plain: for each view what measuring alone says of it.
    """

    edges: dict[int, NDArray[np.uint8]]
    colors: NDArray[np.uint8]
    color_names: list[list[str]]
    plain: list[str]

    def edge_image(self, row: int, grid: int, shortest: int) -> NDArray[np.uint8]:
        """Draw view `row`'s edges as the receiver does, (256, 256) uint8, without contours under `shortest` cells."""
        bits = np.unpackbits(self.edges[grid][row], count=grid * grid).reshape(grid, grid)
        return EdgeMap(drop_short(bits, shortest), (CANVAS, CANVAS)).to_image((SIZE, SIZE))

    @classmethod
    def load(cls, work: Path, split: str) -> "Conditions":
        """Load the conditions of `split` from the working folder."""
        with np.load(work / f"{split}.conditions.npz") as file:
            edges, colors = {grid: file[f"edges{grid}"] for grid in GRIDS}, file["colors"]
        words = json.loads((work / f"{split}.words.json").read_text(encoding="utf-8"))
        return cls(edges, colors, words["colors"], words["plain"])


def drop_short(grid: NDArray[np.uint8], shortest: int) -> NDArray[np.bool_]:
    """Remove connected contours of fewer than `shortest` cells, as the rate control prunes them."""
    if shortest <= 1:
        return grid > 0
    _, labels, stats, _ = cv2.connectedComponentsWithStats(grid, connectivity=8)
    keep = stats[:, cv2.CC_STAT_AREA] >= shortest
    keep[0] = False
    return np.asarray(keep[labels])


def extract(data: Path, work: Path) -> None:
    """Write `SPLIT.conditions.npz` for both splits of `work`."""
    tiles = {(tile.sheet, tile.box): tile for tile in read_tiles(data)}
    for split in ("train", "held_out"):
        rows = json.loads((work / f"{split}.json").read_text(encoding="utf-8"))
        edges: dict[str, list[NDArray[np.uint8]]] = {f"edges{grid}": [] for grid in GRIDS}
        colors: list[NDArray[np.uint8]] = []
        words: dict[str, list[object]] = {"colors": [], "plain": []}
        for row in tqdm(rows["views"], desc=split, mininterval=5):
            tile = rows["tiles"][row["tile"]]
            picture = load_tile(data, tiles[tile["sheet"], tuple(tile["box"])])
            cut = cut_view(picture, View(row["tile"], tuple(row["box"])), CANVAS)
            for grid in GRIDS:
                edges[f"edges{grid}"].append(np.packbits(detect_edges(cut, grid).grid))
            colors.append(average_colors(cut).colors)
            image = Image.fromarray(cut)
            words["colors"].append([color.name for color in dominant_colors(image) if color.share > MAIN_SHARE])
            words["plain"].append(plain_caption(image))
        packed: dict[str, Any] = {name: np.stack(value) for name, value in edges.items()}
        np.savez_compressed(work / f"{split}.conditions.npz", colors=np.stack(colors), **packed)
        (work / f"{split}.words.json").write_text(json.dumps(words), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with tiles.jsonl and sheets/")
    parser.add_argument("--work", type=Path, default=Path("build/training"))
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    extract(options.data, options.work)


if __name__ == "__main__":
    main()
