"""A contact sheet: a row for each picture, a column for each way to show it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from layercast_common.errors import UsageError

#: Longest side of a picture on the sheet, the space around it, and the height of the line of titles, in pixels.
SIDE, SPACE, HEAD = 128, 4, 18

_GROUND, _INK = (18, 20, 24), (236, 238, 242)


@dataclass(frozen=True, eq=False, slots=True)
class Column:
    """A column of the sheet.

    Attributes:
        title: its title.
        pictures: a picture for each row, (H, W, 3) uint8 RGB; None leaves the place empty.
    """

    title: str
    pictures: Sequence[NDArray[np.uint8] | None]


def draw_sheet(columns: Sequence[Column], abreast: int = 1, side: int = SIDE) -> Image.Image:
    """Return the sheet as an RGB picture.

    Args:
        columns: at least one column; all of one length.
        abreast: rows side by side.
        side: longest side of a picture on the sheet, in pixels.

    Raises:
        UsageError: there is no column, or a column is shorter than another.
    """
    if not columns or len({len(column.pictures) for column in columns}) != 1:
        raise UsageError("a contact sheet has columns of one length, and at least one")
    rows = len(columns[0].pictures)
    cell, block = side + SPACE, (side + SPACE) * len(columns) + 2 * SPACE
    sheet = Image.new("RGB", (block * min(abreast, rows), HEAD + cell * -(-rows // abreast)), _GROUND)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for place in range(min(abreast, rows)):
        for number, column in enumerate(columns):
            pen.text((place * block + number * cell, 2), column.title, _INK, font)
    for row in range(rows):
        for number, column in enumerate(columns):
            pixels = column.pictures[row]
            if pixels is not None:
                small = _fit(pixels, side)
                left = row % abreast * block + number * cell + (side - small.width) // 2
                sheet.paste(small, (left, HEAD + row // abreast * cell + (side - small.height) // 2))
    return sheet


def _fit(pixels: NDArray[np.uint8], side: int) -> Image.Image:
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return Image.fromarray(np.ascontiguousarray(pixels)).resize(size, Image.Resampling.LANCZOS)
