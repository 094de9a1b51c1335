"""Stage 2: what a receiver may hold of each picture - lines and colours as they arrive - packed beside the pictures.

python -m training.data.conditions --data DATA --objects OBJECTS --work build/training

Lines are the codec's own: contours traced at canvas size, drawn on a grid whose cells a budget would pay for, pruned
where no grid is coarse enough. Colours went through the colour coder.
"""

import argparse
import json
import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from codec.analysis.captioning.palette import dominant_colors, plain_caption
from codec.analysis.colors import average_colors
from codec.coders.colors.payload import STEP, decode_colors, encode_colors
from codec.structure.contours import Contours, find_contours
from training.data.pack import SIZE
from training.data.tiles import Rows, Source, add_source_options
from training.processes import work_through

#: The canvas that lines and colours are taken from, in pixels.
CANVAS = 512

#: Grids that lines are drawn on, in cells on a side.
SIDES = (48, 56, 64, 72, 80, 88, 96, 112, 128, 144, 160, 192, 224, 256)

#: Drawings of every picture's lines that are kept.
LOOKS = 4

#: What a budget may pay for, in cells on lines: 2 bits each, so 110 to 1,500 bytes.
CELLS = (450, 6000)

#: Lengths of the shortest contours that are drawn, in pixels, as the codec tries them.
SHORTEST = (20, 20, 12, 10)

#: Lengths to prune to where the coarsest grid still has too many cells.
PRUNED = (40, 80, 160)

#: Cells of the colour map on a side, and the coder's steps, of each of the kept colour maps.
COLOR_LOOKS = ((16, STEP), (8, STEP), (8, STEP + 1), (4, STEP), (4, STEP + 1))

#: Cells on a side that maps are kept at.
COLOR_SIDE = 16

#: Area share from which a colour is named in captions.
MAIN_SHARE = 0.12


@dataclass(frozen=True, slots=True)
class StoredConditions:
    """Lines and colours of every row of a split.

    Attributes:
        edges: (N, LOOKS, bytes) uint8, packed bits of drawings of 256x256 pixels.
        colors: (N, looks, 16, 16, 3) uint8 RGB, a map for each of COLOR_LOOKS.
        color_names: for each row the names of its main colours.
        plain: for each row what measuring alone says of it.
    """

    edges: NDArray[np.uint8]
    colors: NDArray[np.uint8]
    color_names: list[list[str]]
    plain: list[str]

    def edge_image(self, row: int, look: int) -> NDArray[np.uint8]:
        """One drawing of a row's lines, (256, 256) uint8, 0 or 255."""
        bits = np.unpackbits(self.edges[row, look], count=SIZE * SIZE).reshape(SIZE, SIZE)
        return np.asarray(bits * np.uint8(255))

    @classmethod
    def load(cls, work: Path, split: str) -> "StoredConditions":
        """Load the conditions of `split` from the working folder."""
        with np.load(work / f"{split}.conditions.npz") as file:
            edges, colors = file["edges"], file["colors"]
        words = json.loads((work / f"{split}.words.json").read_text(encoding="utf-8"))
        return cls(edges, colors, words["colors"], words["plain"])


def draw_edges(contours: Contours, cells: float, shortest: int) -> NDArray[np.uint8]:
    """Draw contours as a receiver would see them, (256, 256) uint8, 0 or 255.

    Args:
        contours: the picture's lines.
        cells: about how many cells on lines a budget pays for; the finest grid that keeps to it is taken.
        shortest: length of the shortest contour, in pixels.
    """
    coarsest = contours.draw(SIDES[0], shortest)
    for length in PRUNED:
        if coarsest.grid.sum() <= cells:
            break
        coarsest = contours.draw(SIDES[0], length)
    else:
        return coarsest.to_image((SIZE, SIZE))
    # Cells on lines grow a little faster than the grid's side.
    finest = SIDES[0] * (cells / max(1, coarsest.grid.sum())) ** (1 / 1.15)
    side = max((side for side in SIDES if side <= finest), default=SIDES[0])
    return contours.draw(side, shortest).to_image((SIZE, SIZE))


def color_maps(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture's colours as they are decoded, (looks, 16, 16, 3) uint8 RGB; coarser cells are repeated."""
    maps = []
    for side, step in COLOR_LOOKS:
        sent = average_colors(picture, CANVAS // side)
        decoded = decode_colors(encode_colors(sent, step), sent.canvas).to_map().colors
        maps.append(decoded.repeat(COLOR_SIDE // side, 0).repeat(COLOR_SIDE // side, 1))
    return np.stack(maps)


def condition(row: int, rows: Rows, source: Source) -> tuple[NDArray[np.uint8], NDArray[np.uint8], list[str], str]:
    """Packed drawings, colour maps, names of the main colours and a plain caption of one row."""
    random = np.random.default_rng((1, row))
    picture = rows.draw(row, source, CANVAS)
    contours, _ = find_contours(picture)
    drawings = []
    for _ in range(LOOKS):
        cells = float(np.exp(random.uniform(*np.log(CELLS))))
        drawings.append(np.packbits(draw_edges(contours, cells, int(random.choice(SHORTEST))) > 0))
    image = Image.fromarray(picture)
    names = [color.name for color in dominant_colors(image) if color.share > MAIN_SHARE]
    return np.stack(drawings), color_maps(picture), names, plain_caption(image)


def extract(source: Source, work: Path, processes: int) -> None:
    """Write `SPLIT.conditions.npz` and `SPLIT.words.json` for both splits of `work`."""
    for split in ("train", "held_out"):
        rows = Rows.load(work / f"{split}.json")
        found = work_through(partial(condition, rows=rows, source=source), range(len(rows)), processes, split)
        edges, colors, names, plain = zip(*found, strict=True)
        (work / f"{split}.words.json").write_text(json.dumps({"colors": names, "plain": plain}), encoding="utf-8")
        unfinished = work / f"{split}.conditions.part.npz"
        np.savez_compressed(unfinished, edges=np.stack(edges), colors=np.stack(colors))
        unfinished.replace(work / f"{split}.conditions.npz")


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_source_options(parser)
    parser.add_argument("--work", type=Path, default=Path("build/training"))
    parser.add_argument("--processes", type=int, default=1, help="pictures at a time (default: %(default)s)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    extract(Source(options.data, options.objects), options.work, options.processes)


if __name__ == "__main__":
    main()
