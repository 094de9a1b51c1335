import numpy as np
import pytest
from PIL import Image

from layercast.contact_sheet import MARGIN, PANEL_WIDTH, Panel, draw_sheet


def panel(color: tuple[int, int, int], size: tuple[int, int] = (64, 64)) -> Panel:
    return Panel(picture=Image.new("RGB", size, color), title="title", note="note")


@pytest.mark.parametrize(("count", "columns", "rows"), [(1, 3, 1), (3, 3, 1), (4, 3, 2), (2, 1, 2)])
def test_every_panel_is_on_the_sheet(count: int, columns: int, rows: int) -> None:
    colors = [(40 * number + 60, 200, 10) for number in range(count)]
    sheet = draw_sheet([panel(color) for color in colors], "", columns)
    assert sheet.width == columns * (PANEL_WIDTH + MARGIN) + MARGIN
    assert rows * PANEL_WIDTH < sheet.height < rows * (PANEL_WIDTH + 100)
    pixels = np.asarray(sheet).reshape(-1, 3)
    for color in colors:
        assert (pixels == color).all(axis=1).sum() == PANEL_WIDTH**2


def test_pictures_of_any_shape_and_mode_have_room() -> None:
    tall = Panel(picture=Image.new("L", (64, 128), 255), title="lines", note="as received")
    sheet = draw_sheet([panel((255, 0, 0), (128, 64)), tall], "a caption, " * 60)
    pixels = np.asarray(sheet)
    assert (pixels.reshape(-1, 3) == (255, 0, 0)).all(axis=1).sum() == PANEL_WIDTH * PANEL_WIDTH // 2
    left = PANEL_WIDTH + 2 * MARGIN
    assert (pixels[MARGIN : MARGIN + 2 * PANEL_WIDTH, left : left + PANEL_WIDTH] == 255).all()


def test_a_caption_takes_more_room() -> None:
    assert draw_sheet([panel((9, 9, 9))], "words").height > draw_sheet([panel((9, 9, 9))], "").height
