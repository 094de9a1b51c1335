"""Coding of the cells of an edge map, one by one."""

import numpy as np
from numpy.typing import NDArray

from codec.coders.edges.model import (
    PLAIN,
    REACH_ACROSS,
    REACH_COARSE,
    REACH_UP,
    SPARE,
    EdgeNetwork,
    list_coarse_features,
    list_features,
    predict,
    summarize_row,
)
from codec.coders.entropy import LOGISTIC_BOUND, UNSURE, code_bit, compiled

#: Learning rates of the network's corrections: of those by small neighbourhood, and by larger neighbourhood.
_SMALL_RATE, _LARGE_RATE = 3, 6


@compiled
def code_cells(
    state: NDArray[np.int64],
    data: NDArray[np.uint8],
    cells: NDArray[np.uint8],
    around: NDArray[np.uint8],
    finer: bool,
    kind: int,
    windows: NDArray[np.int64],
    limit: int,
    network: EdgeNetwork,
    squash: NDArray[np.int32],
) -> int:
    """Code all cells in reading order. Return the rows before the first unsure bit; -1 if too many cells are set."""
    rows, columns = cells.shape[0] - REACH_UP, cells.shape[1] - 2 * REACH_ACROSS
    sums = np.zeros((rows + 1, columns + 1), np.int32)
    small, large = np.zeros(16, np.int64), np.zeros(1024, np.int64)
    empty = np.zeros(1 << 16, np.int32)
    stage, hidden = np.zeros(network.first_bias.size, np.int32), np.zeros(network.first_bias.size, np.int16)
    active = np.zeros(network.first.shape[0] + SPARE, np.int64)
    certain = 0
    for row in range(rows):
        preceding = 0
        for column in range(columns):
            y, x = row + REACH_UP, column + REACH_ACROSS
            preceding = (preceding << 1 | cells[y, x - 1]) & 255
            if finer:
                if not around[(row >> 1) + REACH_COARSE, (column >> 1) + REACH_COARSE]:
                    continue
                if row & column & 1 and not (cells[y - 1, x - 1] or cells[y - 1, x] or cells[y, x - 1]):
                    cells[y, x] = 1
                    continue
            near = cells[y, x - 1] | cells[y - 1, x - 1] << 1 | cells[y - 1, x] << 2 | cells[y - 1, x + 1] << 3
            far = cells[y, x - 2] | cells[y - 1, x - 2] << 1 | cells[y - 1, x + 2] << 2
            far |= cells[y - 2, x - 1] << 3 | cells[y - 2, x] << 4 | cells[y - 2, x + 1] << 5
            far = near | far << 4
            count = list_features(windows, preceding, sums, row, column, kind, active)
            if finer:
                count = list_coarse_features(around, row, column, active, count)
            # Cells with no set neighbours share few predictions: caching them halves the time of a sparse map.
            plain = count == PLAIN and not finer
            place = active[0] << 8 | active[1]
            if plain and empty[place]:
                value = empty[place] - 1 - LOGISTIC_BOUND
            else:
                value = predict(active, count, network, stage, hidden)
            if plain:
                empty[place] = value + 1 + LOGISTIC_BOUND
            value += (small[near] + large[far]) >> 8
            probability = squash[max(-LOGISTIC_BOUND, min(LOGISTIC_BOUND, value)) + LOGISTIC_BOUND]
            bit = code_bit(state, data, cells[y, x], probability)
            cells[y, x] = bit
            error = (bit << 16) - probability
            small[near] += error * _SMALL_RATE >> 6
            large[far] += error * _LARGE_RATE >> 6
        if state[UNSURE]:
            break
        summarize_row(cells, windows, sums, row)
        if sums[row + 1, columns] > limit:
            return -1
        certain += 1
    return certain
