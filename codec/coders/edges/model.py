"""What is likely in a cell of an edge map, from the cells around it: a small network, in integers only.

The network sees which cells of a causal neighbourhood are set, how busy the rows above are near by and everywhere,
which border is near, what kind of grid it is and, when a coarser map is refined, the cells of that map on all sides.
All of these are yes or no, so that its first stage is a sum of rows of weights; two further stages are dense.

    features -> sum of rows, clipped -> dense, clipped -> dense -> logistic value

Its weights are trained by `training.tables.__main__`; ranges are chosen so that no sum leaves 32 bits.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from codec.coders.entropy import LOGISTIC_BOUND, compiled
from codec.coders.tables import load_weights

#: The neighbourhood reaches this many rows up, and cells to the sides.
REACH_UP, REACH_ACROSS = 7, 8

#: (row, column) steps from a cell to those that were coded before it and are near it.
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

#: How far the neighbourhood reaches to the sides in each of the rows above, nearest first, and where it is in `CAUSAL`.
_ACROSS = np.array([np.count_nonzero(CAUSAL[:, 0] == -up) // 2 for up in range(1, REACH_UP + 1)], np.int64)
_AT_ROW = np.array([np.argmax(CAUSAL[:, 0] == -up) for up in range(1, REACH_UP + 1)], np.int64)
_AT_BEHIND = int(np.argmax(CAUSAL[:, 0] == 0))
_WIDEST = int(_ACROSS.max())

#: The places of the bits that are set in each byte, and how many they are.
_SET = np.array([([bit for bit in range(8) if byte >> bit & 1] + [0] * 8)[:8] for byte in range(256)], np.int64)
_SET_COUNT = np.array([byte.bit_count() for byte in range(256)], np.int64)

#: Half the side of the window of a coarser map's cells that a refined cell sees.
REACH_COARSE = 3

#: Long sides of the grid from which the next kind begins.
_FINENESS = np.array([44, 52, 60, 68, 76, 84, 92, 104, 120, 136, 152, 176, 208, 240], np.int64)

#: Bit of a kind that tells of halving.
_HALVED = 32

#: Window of the near business, rows up and cells across; classes of both businesses, and 1/share of one class.
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

#: Features of the network of whole maps, and of that of refined ones.
FEATURES = _AT_COARSE
FINER_FEATURES = _AT_COARSE + 4 * _COARSE_CELLS

#: Rows of weights that are added at a time, and so the places that the list of a cell's features needs beyond them.
_AT_A_TIME = 4
SPARE = 8

#: How many features a cell has that has nothing near, no border either.
PLAIN = 3

#: What one is in the clipped stages, and in the weights of the second and third stage.
ONE = 1024
WEIGHT_ONE = 4096
_WEIGHT_BITS = 12
_OUTPUT_BITS = 14


class EdgeNetwork(NamedTuple):
    """A network's weights; a tuple, as compiled functions take one.

    Attributes:
        first: (features + 1, M) int16, 1024 is one; the last row is of no feature, and nought.
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
    """The trained network of whole maps, or that of refined ones."""
    first, *others = load_weights("edges", "finer_" if finer else "", EdgeNetwork._fields)
    return EdgeNetwork(np.pad(first, ((0, 1), (0, 0))), *others)


def kind_of(rows: int, columns: int, *, halved: bool) -> int:
    """What kind of grid this is: how fine, and whether its lines are thick from halving a finer one's."""
    fineness = int(np.searchsorted(_FINENESS, max(rows, columns), "right"))
    return fineness | (_HALVED if halved else 0)


def start_windows(rows: int, columns: int) -> NDArray[np.int64]:
    """Room for the windows that `close_row` enters; those above the first row are empty."""
    return np.zeros((rows + REACH_UP, columns), np.int64)


@compiled
def close_row(cells: NDArray[np.uint8], windows: NDArray[np.int64], sums: NDArray[np.int32], row: int) -> None:
    """Enter a row that was coded.

    Args:
        cells: the grid, with its margin.
        windows: takes for each cell those around it in its row, as bits, the leftmost lowest.
        sums: (rows + 1, columns + 1), takes the number of set cells above and left of each corner.
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
def gather(
    windows: NDArray[np.int64],
    behind: int,
    sums: NDArray[np.int32],
    row: int,
    column: int,
    kind: int,
    active: NDArray[np.int64],
) -> int:
    """List the features of a cell.

    Args:
        windows: as `close_row` keeps them.
        behind: the eight cells before it in its row, as bits, the nearest lowest.
        sums: as `close_row` keeps it.
        row: of the cell.
        column: of the cell.
        kind: from `kind_of`.
        active: room for the list, and `SPARE` more.

    Returns:
        How many features the cell has, at least `PLAIN`.
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
    count = _list_set(behind, _AT_BEHIND, active, count)
    for above in range(REACH_UP):
        window = windows[row + REACH_UP - 1 - above, column]
        if window:
            window = window >> (_WIDEST - _ACROSS[above]) & ((2 << (2 * _ACROSS[above])) - 1)
            count = _list_set(window & 255, _AT_ROW[above], active, count)
            count = _list_set(window >> 8, _AT_ROW[above] + 8, active, count)
    return count


@compiled
def _list_set(byte: int, start: int, active: NDArray[np.int64], count: int) -> int:
    """Add `start` and the place of each bit of a byte that is set."""
    if byte:
        # All eight are written, and those that are set count: a branch at each would be mispredicted half of the time.
        for index in range(8):
            active[count + index] = start + _SET[byte, index]
        count += _SET_COUNT[byte]
    return count


@compiled
def gather_coarse(coarse: NDArray[np.uint8], row: int, column: int, active: NDArray[np.int64], count: int) -> int:
    """Add the features that a cell has from a coarser map, which has a margin of `REACH_COARSE`."""
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
    """Logistic value of a cell being set, from its features; `sums` and `hidden` are room for the first stage."""
    for unit in range(hidden.size):
        sums[unit] = network.first_bias[unit]
    for index in range(count, count + _AT_A_TIME - 1):
        active[index] = network.first.shape[0] - 1
    for index in range(0, count, _AT_A_TIME):
        one, two = network.first[active[index]], network.first[active[index + 1]]
        three, four = network.first[active[index + 2]], network.first[active[index + 3]]
        for unit in range(hidden.size):
            # Without the casts the sums are widened, which takes twice as long; so it is with products below.
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
