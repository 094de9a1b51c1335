"""Stage 2: extract the edges and colours of each picture as a receiver would decode them, and store them.

Edges are the codec's: contours traced at canvas size, drawn on the finest grid that a byte budget allows, and pruned if
no grid is coarse enough. Colours pass through the colour coder.

example:
    python -m training.data.conditions --data DATA --objects OBJECTS
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
from training.data.tiles import Rows, Source, add_source_options, add_work_option
from training.processes import map_parallel

#: Side of the canvas that edges and colours are extracted from, in pixels.
CANVAS = 512

#: Grids that edges are drawn on, in cells on a side.
SIDES = (48, 56, 64, 72, 80, 88, 96, 112, 128, 144, 160, 192, 224, 256)

#: Edge drawings stored for every picture.
EDGE_VARIANTS = 4

#: Range of edge cells that a budget pays for: at 2 bits each, 110 to 1,500 bytes.
CELLS = (450, 6000)

#: Lengths of the shortest drawn contours, in pixels; the codec tries the same.
SHORTEST = (20, 20, 12, 10)

#: Lengths to prune to if the coarsest grid still has too many cells.
PRUNED = (40, 80, 160)

#: Cells on a side and quantiser step of each stored colour map.
COLOR_VARIANTS = ((16, STEP), (8, STEP), (8, STEP + 1), (4, STEP), (4, STEP + 1))

#: Cells on a side of all stored maps.
COLOR_SIDE = 16

#: Least area share of a colour that captions name.
MAIN_SHARE = 0.12


@dataclass(frozen=True, slots=True)
class StoredConditions:
    """Edges and colours of every row of a split.

    Attributes:
        edges: (N, EDGE_VARIANTS, bytes) uint8, packed bits of drawings of 256x256 pixels.
        colors: (N, variants, 16, 16, 3) uint8 RGB, one map for each of COLOR_VARIANTS.
        color_names: the names of each row's main colours.
        plain: each row's caption from measurements alone.
    """

    edges: NDArray[np.uint8]
    colors: NDArray[np.uint8]
    color_names: list[list[str]]
    plain: list[str]

    def edge_image(self, row: int, variant: int) -> NDArray[np.uint8]:
        """Return one drawing of a row's edges, (256, 256) uint8, 0 or 255."""
        bits = np.unpackbits(self.edges[row, variant], count=SIZE * SIZE).reshape(SIZE, SIZE)
        return np.asarray(bits * np.uint8(255))

    @classmethod
    def load(cls, work: Path, split: str) -> "StoredConditions":
        """Load the conditions of `split` from the working folder."""
        with np.load(work / f"{split}.conditions.npz") as file:
            edges, colors = file["edges"], file["colors"]
        words = json.loads((work / f"{split}.words.json").read_text(encoding="utf-8"))
        return cls(edges, colors, words["colors"], words["plain"])


def draw_edges(contours: Contours, cells: float, shortest: int) -> NDArray[np.uint8]:
    """Draw contours as a receiver would decode them; return (256, 256) uint8, 0 or 255.

    Args:
        contours: the picture's contours.
        cells: approximate number of edge cells that the budget allows; the finest grid within it is used.
        shortest: length of the shortest contour, in pixels.
    """
    coarsest = contours.draw(SIDES[0], shortest)
    for length in PRUNED:
        if coarsest.grid.sum() <= cells:
            break
        coarsest = contours.draw(SIDES[0], length)
    else:
        return coarsest.to_image((SIZE, SIZE))
    # The number of edge cells grows slightly faster than the grid's side.
    finest = SIDES[0] * (cells / max(1, coarsest.grid.sum())) ** (1 / 1.15)
    side = max((side for side in SIDES if side <= finest), default=SIDES[0])
    return contours.draw(side, shortest).to_image((SIZE, SIZE))


def color_maps(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the picture's decoded colour maps, (variants, 16, 16, 3) uint8 RGB; coarser cells are repeated."""
    maps = []
    for side, step in COLOR_VARIANTS:
        original = average_colors(picture, CANVAS // side)
        decoded = decode_colors(encode_colors(original, step), original.canvas).to_map().colors
        maps.append(decoded.repeat(COLOR_SIDE // side, 0).repeat(COLOR_SIDE // side, 1))
    return np.stack(maps)


def condition(row: int, rows: Rows, source: Source) -> tuple[NDArray[np.uint8], NDArray[np.uint8], list[str], str]:
    """Return the packed drawings, colour maps, names of the main colours and plain caption of one row."""
    random = np.random.default_rng((1, row))
    picture = rows.draw(row, source, CANVAS)
    contours, _ = find_contours(picture)
    drawings = []
    for _ in range(EDGE_VARIANTS):
        cells = float(np.exp(random.uniform(*np.log(CELLS))))
        drawings.append(np.packbits(draw_edges(contours, cells, int(random.choice(SHORTEST))) > 0))
    image = Image.fromarray(picture)
    names = [color.name for color in dominant_colors(image) if color.share > MAIN_SHARE]
    return np.stack(drawings), color_maps(picture), names, plain_caption(image)


def extract(source: Source, work: Path, processes: int) -> None:
    """Write `SPLIT.conditions.npz` and `SPLIT.words.json` for both splits of `work`."""
    for split in ("train", "held_out"):
        rows = Rows.load(work / f"{split}.json")
        found = map_parallel(partial(condition, rows=rows, source=source), range(len(rows)), processes, split)
        edges, colors, names, plain = zip(*found, strict=True)
        (work / f"{split}.words.json").write_text(json.dumps({"colors": names, "plain": plain}), encoding="utf-8")
        unfinished = work / f"{split}.conditions.part.npz"
        np.savez_compressed(unfinished, edges=np.stack(edges), colors=np.stack(colors))
        unfinished.replace(work / f"{split}.conditions.npz")


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_source_options(parser)
    add_work_option(parser)
    parser.add_argument("--processes", type=int, default=1, help="parallel processes (default: %(default)s)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    extract(Source(options.data, options.objects), options.work, options.processes)


if __name__ == "__main__":
    main()
