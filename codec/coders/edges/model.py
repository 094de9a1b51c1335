"""Prediction of a cell of an edge map from its neighbourhood: a small network, in integers only.

The features are the set cells of a causal neighbourhood, the density of the rows above near the cell and overall, the
adjacent borders, the kind of grid and, when a coarser map is refined, the cells of that map on all sides. All features
are binary, so the first stage is a sum of rows of weights; the two further stages are dense.

    features -> sum of rows, clipped -> dense, clipped -> dense -> logistic value

`training.tables.__main__` trains the weights; their ranges keep every sum within 32 bits.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from codec.coders.entropy import LOGISTIC_BOUND, compiled
from codec.coders.tables import load_weights

#: Reach of the neighbourhood: rows up, and cells to each side.
REACH_UP, REACH_ACROSS = 7, 8

#: (row, column) steps from a cell to the cells of its neighbourhood, all coded before it.
CAUSAL = np.array(
    [
        (-up, across)
        for up in range(1, REACH_UP + 1)
        for across in range(-REACH_ACROSS, REACH_ACROSS + 1)
        if up * up + across * across <= 58
    ]
    + [(0, -back) for back in range(1, REACH_ACROSS + 1)],
    np.int64,
)

#: Reach to each side in each of the rows above, nearest first, and the index of each row's first cell in `CAUSAL`.
_ACROSS = np.array([np.count_nonzero(CAUSAL[:, 0] == -up) // 2 for up in range(1, REACH_UP + 1)], np.int64)
_AT_ROW = np.array([np.argmax(CAUSAL[:, 0] == -up) for up in range(1, REACH_UP + 1)], np.int64)
_AT_BEHIND = int(np.argmax(CAUSAL[:, 0] == 0))
_WIDEST = int(_ACROSS.max())

#: Positions of the set bits of each byte, and their number.
_SET = np.array([([bit for bit in range(8) if byte >> bit & 1] + [0] * 8)[:8] for byte in range(256)], np.int64)
_SET_COUNT = np.array([byte.bit_count() for byte in range(256)], np.int64)

#: Reach of the window of a coarser map around a refined cell, in cells of that map.
REACH_COARSE = 3

#: Long sides of the grid at which the next kind begins.
_FINENESS = np.array([44, 52, 60, 68, 76, 84, 92, 104, 120, 136, 152, 176, 208, 240], np.int64)

#: Bit of a kind that marks halved maps.
_HALVED = 32

#: Window of the local density (rows up, and cells to each side), classes of both densities, and 1/share of one class.
_NEAR = 16
_CLASSES = 16
_CLASS_SHARE = 48

_COARSE_CELLS = (2 * REACH_COARSE + 1) ** 2
_AT_NEAR = len(CAUSAL)
_AT_OVERALL = _AT_NEAR + _CLASSES
_AT_BORDER = _AT_OVERALL + _CLASSES
_AT_FINENESS = _AT_BORDER + 3
_AT_HALVED = _AT_FINENESS + len(_FINENESS) + 1
_AT_COARSE = _AT_HALVED + 1

#: Number of features of the network of whole maps, and of the network of refined ones.
FEATURES = _AT_COARSE
FINER_FEATURES = _AT_COARSE + 4 * _COARSE_CELLS

#: Rows of weights that are added at a time, and the spare entries that a list of features needs for that.
_AT_A_TIME = 4
SPARE = 8

#: Number of features of a cell without set neighbours or adjacent borders.
PLAIN = 3

#: Fixed-point values of one: in the clipped stages, and in the weights of the second and third stage.
ONE = 1024
WEIGHT_ONE = 4096
_WEIGHT_BITS = 12
_OUTPUT_BITS = 14


class EdgeNetwork(NamedTuple):
    """Weights of a network, as a tuple for compiled functions.

    Attributes:
        first: (features + 1, M) int16, 1024 is one; the last row belongs to no feature and is zero.
        first_bias: (M,) int32, 1024 is one.
        second: (N, M) int16, 4096 is one.
        second_bias: (N,) int32, 1024 is one.
        third: (N,) int32, 4096 / 256 is one logistic unit.
        third_bias: () int32, in 1 / 16384 logistic units.
    """

    first: NDArray[np.int16]
    first_bias: NDArray[np.int32]
    second: NDArray[np.int16]
    second_bias: NDArray[np.int32]
    third: NDArray[np.int32]
    third_bias: NDArray[np.int32]


@cache
def load_network(finer: bool) -> EdgeNetwork:
    """Load the trained network of whole maps, or of refined ones."""
    first, *others = load_weights("edges", "finer_" if finer else "", EdgeNetwork._fields)
    return EdgeNetwork(np.pad(first, ((0, 1), (0, 0))), *others)


def grid_kind(rows: int, columns: int, *, halved: bool) -> int:
    """Return the kind of a grid: its fineness, and whether its lines are thick because a finer map was halved."""
    fineness = int(np.searchsorted(_FINENESS, max(rows, columns), "right"))
    return fineness | (_HALVED if halved else 0)


def empty_windows(rows: int, columns: int) -> NDArray[np.int64]:
    """Return zeroed windows for `summarize_row`, including those above the first row."""
    return np.zeros((rows + REACH_UP, columns), np.int64)


@compiled
def summarize_row(cells: NDArray[np.uint8], windows: NDArray[np.int64], sums: NDArray[np.int32], row: int) -> None:
    """Update windows and sums with a row that has been coded.

    Args:
        cells: the grid, with its margin.
        windows: for each cell, its neighbours in its row as bits, the leftmost lowest; updated.
        sums: (rows + 1, columns + 1), the number of set cells above and left of each corner; updated.
        row: the row.
    """
    line = cells[row + REACH_UP]
    total = window = 0
    for column in range(_WIDEST):
        window |= int(line[column + REACH_ACROSS]) << (column + _WIDEST + 1)
    for column in range(sums.shape[1] - 1):
        window = window >> 1 | int(line[column + REACH_ACROSS + _WIDEST]) << (2 * _WIDEST)
        windows[row + REACH_UP, column] = window
        total += line[column + REACH_ACROSS]
        sums[row + 1, column + 1] = sums[row, column + 1] + total


@compiled
def list_features(
    windows: NDArray[np.int64],
    preceding: int,
    sums: NDArray[np.int32],
    row: int,
    column: int,
    kind: int,
    active: NDArray[np.int64],
) -> int:
    """List the features of a cell.

    Args:
        windows: from `summarize_row`.
        preceding: the eight preceding cells of the row as bits, the nearest lowest.
        sums: from `summarize_row`.
        row: row of the cell.
        column: column of the cell.
        kind: from `grid_kind`.
        active: output: the list, with `SPARE` more entries.

    Returns:
        The number of features, at least `PLAIN`.
    """
    columns = sums.shape[1] - 1
    left, right = max(0, column - _NEAR), min(columns, column + _NEAR + 1)
    top = max(0, row - _NEAR)
    area = (row - top) * (right - left)
    near = sums[row, right] - sums[top, right] - sums[row, left] + sums[top, left]
    active[0] = _AT_NEAR + (min(_CLASSES - 2, near * _CLASS_SHARE // area) if row else _CLASSES - 1)
    overall = min(_CLASSES - 2, sums[row, columns] * _CLASS_SHARE // (row * columns)) if row else _CLASSES - 1
    active[1] = _AT_OVERALL + overall
    active[2] = _AT_FINENESS + (kind & (_HALVED - 1))
    count = PLAIN
    if kind & _HALVED:
        active[count] = _AT_HALVED
        count += 1
    for border, reached in enumerate((row == 0, column == 0, column == columns - 1)):
        if reached:
            active[count] = _AT_BORDER + border
            count += 1
    count = _append_set_bits(preceding, _AT_BEHIND, active, count)
    for above in range(REACH_UP):
        window = windows[row + REACH_UP - 1 - above, column]
        if window:
            window = window >> (_WIDEST - _ACROSS[above]) & ((2 << (2 * _ACROSS[above])) - 1)
            count = _append_set_bits(window & 255, _AT_ROW[above], active, count)
            count = _append_set_bits(window >> 8, _AT_ROW[above] + 8, active, count)
    return count


@compiled
def _append_set_bits(byte: int, start: int, active: NDArray[np.int64], count: int) -> int:
    """Append `start` plus the position of each set bit of a byte; return the new count."""
    if byte:
        # Write all eight and count only the set ones: a branch for each bit would be mispredicted half of the time.
        for index in range(8):
            active[count + index] = start + _SET[byte, index]
        count += _SET_COUNT[byte]
    return count


@compiled
def list_coarse_features(
    coarse: NDArray[np.uint8], row: int, column: int, active: NDArray[np.int64], count: int
) -> int:
    """Append the features from a coarser map, which has a margin of `REACH_COARSE`; return the new count."""
    start = _AT_COARSE + (2 * (row & 1) + (column & 1)) * _COARSE_CELLS
    for down in range(2 * REACH_COARSE + 1):
        for across in range(2 * REACH_COARSE + 1):
            if coarse[(row >> 1) + down, (column >> 1) + across]:
                active[count] = start + down * (2 * REACH_COARSE + 1) + across
                count += 1
    return count


@compiled
def predict(
    active: NDArray[np.int64], count: int, network: EdgeNetwork, sums: NDArray[np.int32], hidden: NDArray[np.int16]
) -> int:
    """Return the logistic value of a cell being set; `sums` and `hidden` are buffers of the first stage."""
    for unit in range(hidden.size):
        sums[unit] = network.first_bias[unit]
    for index in range(count, count + _AT_A_TIME - 1):
        active[index] = network.first.shape[0] - 1
    for index in range(0, count, _AT_A_TIME):
        one, two = network.first[active[index]], network.first[active[index + 1]]
        three, four = network.first[active[index + 2]], network.first[active[index + 3]]
        for unit in range(hidden.size):
            # Without the casts numba widens the sums, which takes twice as long; the same holds for the products below.
            sums[unit] += np.int32(np.int32(one[unit] + two[unit]) + np.int32(three[unit] + four[unit]))
    for unit in range(hidden.size):
        hidden[unit] = min(max(sums[unit], 0), ONE)
    result = int(network.third_bias[()])
    for row in range(network.second_bias.size):
        total = np.int32(0)
        for unit in range(hidden.size):
            total = np.int32(total + np.int32(hidden[unit]) * np.int32(network.second[row, unit]))
        result += min(max((total >> _WEIGHT_BITS) + network.second_bias[row], 0), ONE) * network.third[row]
    return max(-LOGISTIC_BOUND, min(LOGISTIC_BOUND, result >> _OUTPUT_BITS))
