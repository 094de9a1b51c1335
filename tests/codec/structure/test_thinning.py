"""codec.structure.thinning: thick lines become lines of one cell."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.layers import EdgeMap
from codec.structure.contours import find_contours
from codec.structure.thinning import thin
from tests.support.pictures import draw_picture


def test_thin_lines_do_not_change() -> None:
    drawn = find_contours(draw_picture())[0].draw(64)
    assert thin(drawn) == drawn


def test_a_bar_becomes_its_centre_line() -> None:
    grid = np.zeros((9, 30), np.bool_)
    grid[3:6, 5:25] = True
    thinned = thin(EdgeMap(grid, (30, 9))).grid
    assert set(np.argwhere(thinned)[:, 0]) == {4}
    assert thinned.sum() >= 17


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32), st.floats(0, 1))
def test_thinning_only_clears_cells_and_terminates(rows: int, columns: int, seed: int, density: float) -> None:
    thick = EdgeMap(np.random.default_rng(seed).random((rows, columns)) < density, (columns, rows))
    once = thin(thick)
    assert not (once.grid & ~thick.grid).any()
    assert thin(once) == once
