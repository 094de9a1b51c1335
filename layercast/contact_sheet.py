"""Contact sheets: pictures side by side with titles and notes."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

#: Width of a picture on the sheet, and the space around it, in pixels.
PANEL_WIDTH, MARGIN = 320, 16

_GROUND, _INK, _FAINT = (18, 20, 24), (236, 238, 242), (150, 158, 170)


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One picture of a sheet, RGB or grayscale, with its title and a note."""

    picture: Image.Image
    title: str
    note: str


def draw_sheet(panels: Sequence[Panel], caption: str, columns: int = 3) -> Image.Image:
    """Draw panels in rows with a caption below, and return an RGB picture.

    Args:
        panels: at least one panel.
        caption: text below the panels; longer ones are cut to four lines.
        columns: panels in a row.
    """
    title_font, note_font = ImageFont.load_default(18), ImageFont.load_default(14)
    lines = textwrap.wrap(caption, 110)[:4]
    widest = max(panels, key=lambda panel: panel.picture.height / panel.picture.width).picture
    picture_height = round(PANEL_WIDTH * widest.height / widest.width)
    cell = (PANEL_WIDTH + MARGIN, picture_height + 52 + MARGIN)
    rows = -(-len(panels) // columns)
    size = (columns * cell[0] + MARGIN, rows * cell[1] + MARGIN + 22 * len(lines))
    sheet = Image.new("RGB", size, _GROUND)
    pen = ImageDraw.Draw(sheet)
    for number, panel in enumerate(panels):
        left = MARGIN + number % columns * cell[0]
        top = MARGIN + number // columns * cell[1]
        height = round(PANEL_WIDTH * panel.picture.height / panel.picture.width)
        sheet.paste(panel.picture.convert("RGB").resize((PANEL_WIDTH, height), Image.Resampling.LANCZOS), (left, top))
        pen.text((left, top + picture_height + 6), panel.title, _INK, title_font)
        pen.text((left, top + picture_height + 30), panel.note, _FAINT, note_font)
    for number, line in enumerate(lines):
        pen.text((MARGIN, rows * cell[1] + MARGIN // 2 + 22 * number), line, _FAINT, note_font)
    return sheet
