"""A contact sheet: originals, their renderings at each level, and WebP at the same size in bytes."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from evaluation.pictures.competitors import Format, candidates
from evaluation.pictures.measuring import LEVELS, Case
from evaluation.quality.quality import compare

#: Side of a picture on the sheet, space between pictures, and height of the title line, in pixels.
SIDE, SPACE, HEAD = 128, 4, 18

#: Originals per line of the sheet, each with its renderings.
ABREAST = 3

_GROUND, _INK = (18, 20, 24), (236, 238, 242)


def draw_sheet(cases: Sequence[Case], webp: Format) -> Image.Image:
    """Return the sheet as an RGB picture: each case in a row, `ABREAST` rows side by side."""
    titles = ("original", *LEVELS, webp.name)
    cell, width = SIDE + SPACE, (SIDE + SPACE) * len(titles) + 2 * SPACE
    sheet = Image.new("RGB", (width * ABREAST, HEAD + cell * -(-len(cases) // ABREAST)), _GROUND)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for block in range(min(ABREAST, len(cases))):
        for column, title in enumerate(titles):
            pen.text((block * width + column * cell, 2), title, _INK, font)
    for number, case in enumerate(cases):
        coded = candidates(case.original, case.size, webp)
        best = max(coded, key=lambda picture: compare(picture.pixels, case.original).ssim)
        row = [case.original, *(drawn.pixels for drawn in case.levels.values()), best.pixels]
        for column, pixels in enumerate(row):
            small = Image.fromarray(np.ascontiguousarray(pixels)).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            sheet.paste(small, (number % ABREAST * width + column * cell, HEAD + number // ABREAST * cell))
    return sheet
