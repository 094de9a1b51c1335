"""codec.structure.contours: lines keep their positions through tracing and drawing."""

import numpy as np
import pytest

from codec.structure.contours import MIN_LENGTH, find_contours, line_f1, trace
from tests.support.pictures import draw_picture


def test_drawn_contours_match_the_lines() -> None:
    contours, lines = find_contours(draw_picture())
    assert line_f1(contours.draw(96).to_image(), lines, 4) > 0.95


def test_contours_are_sorted_by_length() -> None:
    contours, _ = find_contours(draw_picture(768, 512))
    assert (np.diff(contours.lengths) <= 0).all()
    assert contours.draw(96, int(contours.lengths[0])).grid.sum() < contours.draw(96).grid.sum()
    assert contours.draw(96).grid.shape == (64, 96)


def test_tracing_visits_cells_once_and_leaves_out_grain() -> None:
    grid = np.random.default_rng(2).random((40, 60)) < 0.2
    contours = trace(grid, (60, 40))
    cells = {(int(x), int(y)) for x, y in contours.points}
    assert len(cells) == len(contours.points) == contours.ends[-1]
    assert cells < {(x, y) for y, x in np.argwhere(grid)}
    assert contours.lengths.min() >= MIN_LENGTH


def test_soft_pictures_have_contours_too() -> None:
    picture = np.tile(np.linspace(100, 110, 256).astype(np.uint8)[:, None, None], (1, 256, 3))
    picture[:128] += 12
    contours, _ = find_contours(picture)
    assert len(contours.ends)
    assert not len(find_contours(np.full((64, 64, 3), 90, np.uint8))[0].ends)


def test_clutter_is_drawn_only_on_finer_grids() -> None:
    grid = np.zeros((256, 256), np.bool_)
    grid[20, 10:240] = True
    grid[23, 10:200] = True
    grid[60, 10:200] = True
    contours = trace(grid, (256, 256))
    assert contours.draw(256).grid.sum() == grid.sum()
    assert contours.draw(64) == contours.draw(64, count=2)
    assert contours.draw(64, count=1).grid.sum() < contours.draw(64).grid.sum()
    rows, _ = np.nonzero(contours.draw(64).grid)
    assert set(rows) == {5, 15}


def test_f1_counts_lines_within_the_tolerance() -> None:
    reference = np.zeros((64, 64), np.uint8)
    reference[20] = 255
    near, far = np.roll(reference, 4, axis=0), np.roll(reference, 5, axis=0)
    assert line_f1(near, reference, 4) == 1
    assert line_f1(far, reference, 4) == 0
    assert line_f1(near | far, reference, 4) == pytest.approx(2 / 3)
    assert line_f1(np.zeros_like(reference), reference, 4) == 0
