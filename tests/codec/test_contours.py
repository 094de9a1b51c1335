"""Contours: lines keep their places through tracing and drawing."""

import numpy as np
import pytest

from codec.analysis.edges import thin
from codec.contours import agreement, find_contours, trace
from tests.codec.pictures import draw_picture


def test_drawn_contours_lie_where_the_lines_are() -> None:
    contours, lines = find_contours(draw_picture())
    assert agreement(contours.draw(96).to_image(), lines, 4) > 0.97


def test_contours_come_longest_first() -> None:
    contours, _ = find_contours(draw_picture(768, 512))
    lengths = [len(path) for path in contours.paths]
    assert lengths == sorted(lengths, reverse=True)
    assert contours.draw(96, 1).grid.sum() < contours.draw(96).grid.sum()
    assert contours.draw(96).grid.shape == (64, 96)


def test_tracing_visits_every_cell_once() -> None:
    grid = np.random.default_rng(2).random((40, 60)) < 0.2
    points = np.concatenate(trace(grid, (60, 40)).paths)
    cells = {(int(x), int(y)) for x, y in points}
    assert len(points) == grid.sum()
    assert cells == {(x, y) for y, x in np.argwhere(grid)}


def test_soft_pictures_have_contours_too() -> None:
    picture = np.tile(np.linspace(100, 110, 256).astype(np.uint8)[:, None, None], (1, 256, 3))
    picture[:128] += 12
    contours, _ = find_contours(picture)
    assert contours.paths
    assert not find_contours(np.full((64, 64, 3), 90, np.uint8))[0].paths


def test_drawn_lines_are_thin() -> None:
    grid = find_contours(draw_picture())[0].draw(64).grid
    assert (thin(grid) == grid).all()


def test_f1_counts_lines_that_are_near() -> None:
    reference = np.zeros((64, 64), np.uint8)
    reference[20] = 255
    near, far = np.roll(reference, 4, axis=0), np.roll(reference, 5, axis=0)
    assert agreement(near, reference, 4) == 1
    assert agreement(far, reference, 4) == 0
    assert agreement(near | far, reference, 4) == pytest.approx(2 / 3)
    assert agreement(np.zeros_like(reference), reference, 4) == 0
