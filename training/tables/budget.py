"""Build the table `budget`: quality of edges and colours by size, for the budget split of `codec.encoder.budget`."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from codec.coders.colors.model import STEP_TENTHS
from codec.color_difference import ciede2000, to_lab
from codec.container.bitstream import Bitstream, Header
from codec.encoder.budget import COLOR_CELLS
from codec.encoder.rate_control import FIRST_SIDE, SHORTEST, color_sections, edge_sections, size_of
from codec.layers import Priors
from codec.preview import paint_priors
from codec.structure.contours import find_contours, line_f1
from training.data.tiles import Tile, load_tile

#: Grids of edges along the curve, in cells on a side.
SIDES = (40, 48, 56, 64, 72, 80, 96, 112, 128, 160, 192, 224, 256)

#: Largest distance of a matching edge, in pixels at 512x512.
TOLERANCE = 4.0

#: Cells on a side at which colours are compared with the picture's; colour adapters are trained on as many.
COMPARED = 8


def build(data: Path, tiles: list[Tile], *, pictures: int) -> dict[str, NDArray[np.int32]]:
    """Make the table `budget`.

    Args:
        data: folder of the data set.
        tiles: its pictures; held-out ones are not used.
        pictures: number of pictures to measure.

    Returns:
        lines: (points, 2) int32, size in 1/1000 of that at `FIRST_SIDE` and agreement in 1/10000, growing.
        colors: (choices, 4) int32, pixels on the side of a cell (0: no colours), step, size in 1/1000 bytes a cell,
            and mean CIEDE2000 in 1/100.
    """
    kept = [tile for tile in tiles if not tile.held_out_of_tables]
    lines, colors = [], []
    for tile in kept[:: max(1, len(kept) // pictures)][:pictures]:
        picture = np.asarray(load_tile(data, tile))
        lines.append(_measure_lines(picture))
        colors.append(_measure_colors(picture))
    measured = np.mean(lines, axis=0)
    sizes = measured[:, 0] / measured[SIDES.index(FIRST_SIDE), 0]
    return {
        "lines": np.round(np.stack([1000 * sizes, 10000 * measured[:, 1]], axis=1)).astype(np.int32),
        "colors": np.round(np.mean(colors, axis=0) * (1, 1, 1000, 100)).astype(np.int32),
    }


def _measure_lines(picture: NDArray[np.uint8]) -> list[tuple[int, float]]:
    contours, lines = find_contours(picture)
    points = []
    for side in SIDES:
        edges = contours.draw(side, SHORTEST)
        points.append((size_of(edge_sections(edges, nested=False)), line_f1(edges.to_image(), lines, TOLERANCE)))
    return points


def _measure_colors(picture: NDArray[np.uint8]) -> list[tuple[float, float, float, float]]:
    canvas = picture.shape[1], picture.shape[0]
    points: list[tuple[float, float, float, float]] = [(0, 0, 0, _difference(picture, Priors(canvas)))]
    for cell in COLOR_CELLS:
        for step in range(len(STEP_TENTHS)):
            sections = color_sections(picture, cell, step, nested=False)
            cells = canvas[0] // cell * (canvas[1] // cell)
            priors = Bitstream(Header(*canvas), sections).decode()
            points.append((cell, step, size_of(sections) / cells, _difference(picture, priors)))
    return points


def _difference(picture: NDArray[np.uint8], priors: Priors) -> float:
    """Return the mean CIEDE2000 of the picture and the preview painted from its colours."""
    cells = [
        np.asarray(cv2.resize(painted, (COMPARED, COMPARED), interpolation=cv2.INTER_AREA), np.uint8)
        for painted in (picture, paint_priors(priors))
    ]
    return float(ciede2000(to_lab(cells[0]), to_lab(cells[1])).mean())
