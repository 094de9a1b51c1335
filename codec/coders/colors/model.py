"""Quantiser of colours in steps of equal visible size, and prediction of levels by networks, in integers only.

A colour is three *levels*: of lightness, of red against green and of yellow against blue. Levels count steps in CIELAB,
scaled so that one step looks about as large everywhere (the weights of CIEDE2000, integrated). `training.tables.colors`
tabulates the RGB of each triple of levels, and trains the networks that predict the levels.

A level is coded as its difference from a guess in binary decisions: is it 0, is it negative, is it more than 1, 2, ...
(the *nodes*).
"""

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from codec.coders.entropy import compiled
from codec.coders.tables import load_table, load_weights

#: Step sizes in tenths, finest first; a step of 1 is just noticeable.
STEP_TENTHS = (32, 44, 64)

#: Sizes of differences with nodes of their own in each direction, and the total number of nodes.
REACH = 11
NODES = 2 + 2 * REACH

#: Largest difference that can be coded.
MAX_DIFFERENCE = 63

#: (row, column) steps to farther cells, of which only the level of the same kind is an input.
_FARTHER = ((-1, -2), (-1, 2), (-2, -1), (-2, 1), (-3, 0), (0, -3))

_NEIGHBOURS = 6
_AT_OTHERS = _NEIGHBOURS
_AT_GUESSES = 3 * _NEIGHBOURS
_AT_EARLIER = _AT_GUESSES + 3
_AT_BORDER = _AT_EARLIER + 2
_AT_STEP = _AT_BORDER + 4
_AT_SIZE = _AT_STEP + len(STEP_TENTHS)
_AT_FARTHER = _AT_SIZE + 4
_AT_HEIGHT = _AT_FARTHER + len(_FARTHER)
_AT_PARENTS = _AT_HEIGHT + 2
_AT_OTHER_PARENTS = _AT_PARENTS + 9
_AT_PLACE = _AT_OTHER_PARENTS + 2

#: Number of inputs of the networks of whole maps, and of the networks of refined ones.
INPUTS = _AT_PARENTS
FINER_INPUTS = _AT_PLACE + 4

#: Fixed-point values of one: in the clipped stages and weights of the first stage, and in weights of the other stages.
ONE = 1024
WEIGHT_ONE = 4096
_WEIGHT_BITS = 12
_OUTPUT_BITS = 14


@dataclass(frozen=True, slots=True)
class ColorTable:
    """The colours of one step size.

    Attributes:
        colors: (lightness levels, red levels, yellow levels, 3) uint8 RGB.
        origin: (3,) int32, the index of level 0.
    """

    colors: NDArray[np.uint8]
    origin: NDArray[np.int32]

    def indices_of(self, levels: NDArray[np.int64] | NDArray[np.int32]) -> NDArray[np.int64]:
        """Return the indices of levels in `colors`; levels outside the table get the nearest index."""
        return np.asarray(np.clip(levels + self.origin, 0, np.array(self.colors.shape[:3]) - 1), np.int64)


class ColorNetwork(NamedTuple):
    """Weights of the networks of the three kinds of level, as a tuple for compiled functions.

    Attributes:
        first: (3, inputs, M) int32.
        first_bias: (3, M) int32.
        second: (3, N, M) int32.
        second_bias: (3, N) int32.
        third: (3, NODES, N) int32.
        third_bias: (3, NODES) int32.
    """

    first: NDArray[np.int32]
    first_bias: NDArray[np.int32]
    second: NDArray[np.int32]
    second_bias: NDArray[np.int32]
    third: NDArray[np.int32]
    third_bias: NDArray[np.int32]


@cache
def load_color_table(step: int) -> ColorTable:
    """Load the colours of `STEP_TENTHS[step]`."""
    table = load_table("shades")
    return ColorTable(np.asarray(table[f"colors_{step}"], np.uint8), np.asarray(table[f"origin_{step}"], np.int32))


@cache
def load_network(finer: bool) -> ColorNetwork:
    """Load the trained networks of whole maps, or of refined ones."""
    return ColorNetwork(*load_weights("colors", "finer_" if finer else "", ColorNetwork._fields))


@compiled
def predict_level(
    levels: NDArray[np.int32],
    coarse: NDArray[np.int32],
    finer: bool,
    row: int,
    column: int,
    plane: int,
    step: int,
    network: ColorNetwork,
    inputs: NDArray[np.int32],
    values: NDArray[np.int32],
) -> int:
    """Predict a level: return the guess, and write the logistic values of its nodes to `values`.

    Args:
        levels: (rows, columns, 3), coded up to this level.
        coarse: (rows, columns, 3) levels of the map that is refined; ignored if not `finer`.
        finer: a coarser map is refined.
        row: row of the cell.
        column: column of the cell.
        plane: index of the level in the cell.
        step: index of the step size.
        network: the trained networks.
        inputs: buffer for the network's inputs.
        values: output: the logistic values.
    """
    guess = gather_inputs(levels, coarse, finer, row, column, plane, step, inputs)
    _predict_nodes(
        inputs,
        network.first[plane],
        network.first_bias[plane],
        network.second[plane],
        network.second_bias[plane],
        network.third[plane],
        network.third_bias[plane],
        values,
    )
    return guess


@compiled
def gather_inputs(
    levels: NDArray[np.int32],
    coarse: NDArray[np.int32],
    finer: bool,
    row: int,
    column: int,
    plane: int,
    step: int,
    inputs: NDArray[np.int32],
) -> int:
    """Fill in the network's inputs for a level and return the guess; arguments as in `predict_level`."""
    rows, columns = levels.shape[0], levels.shape[1]
    inputs[:] = 0
    up, back = max(row - 1, 0), max(column - 1, 0)
    ahead, up2, back2 = min(column + 1, columns - 1), max(row - 2, 0), max(column - 2, 0)
    result = 0
    for turn in range(3):
        at = (plane + turn) % 3
        # A cell outside the grid, or not coded yet, takes the level of the nearest known cell.
        north = levels[up, column, at] if row else 0
        west = levels[row, back, at] if column else north
        north = north if row else west
        corner = levels[up, back, at] if row and column else north if column == 0 else west
        right = levels[up, ahead, at] if row else north
        west2 = levels[row, back2, at] if column > 1 else west
        north2 = levels[up2, column, at] if row > 1 else north
        guess = max(min(west, north), min(max(west, north), west + north - corner))
        if finer:
            guess = coarse[row >> 1, column >> 1, at]
        start = turn * 6
        inputs[start] = west - guess
        inputs[start + 1] = north - guess
        inputs[start + 2] = corner - guess
        inputs[start + 3] = right - guess
        inputs[start + 4] = west2 - guess
        inputs[start + 5] = north2 - guess
        inputs[_AT_GUESSES + turn] = guess
        if at < plane:
            inputs[_AT_EARLIER + at] = levels[row, column, at] - guess
        if turn == 0:
            result = guess
        elif finer:
            inputs[_AT_OTHER_PARENTS + turn - 1] = guess - west
    inputs[_AT_BORDER] = 1 if row == 0 else 0
    inputs[_AT_BORDER + 1] = 1 if column == 0 else 0
    inputs[_AT_BORDER + 2] = 1 if column == columns - 1 else 0
    inputs[_AT_BORDER + 3] = 1 if row == rows - 1 else 0
    inputs[_AT_STEP + step] = 1
    longest = max(rows, columns)
    inputs[_AT_SIZE + (0 if longest < 6 else 1 if longest < 10 else 2 if longest < 20 else 3)] = 1
    for index, (down, across) in enumerate(_FARTHER):
        if row + down >= 0 and column + across >= 0:
            inputs[_AT_FARTHER + index] = levels[row + down, min(column + across, columns - 1), plane] - result
    inputs[_AT_HEIGHT] = 8 * row // rows
    inputs[_AT_HEIGHT + 1] = abs(8 * column // columns - 4)
    if finer:
        for index in range(9):
            y = min(max((row >> 1) + index // 3 - 1, 0), coarse.shape[0] - 1)
            x = min(max((column >> 1) + index % 3 - 1, 0), coarse.shape[1] - 1)
            inputs[_AT_PARENTS + index] = coarse[y, x, plane] - result
        inputs[_AT_PLACE + 2 * (row & 1) + (column & 1)] = 1
    return result


@compiled
def _predict_nodes(
    inputs: NDArray[np.int32],
    first: NDArray[np.int32],
    first_bias: NDArray[np.int32],
    second: NDArray[np.int32],
    second_bias: NDArray[np.int32],
    third: NDArray[np.int32],
    third_bias: NDArray[np.int32],
    values: NDArray[np.int32],
) -> None:
    """Write the logistic values of all nodes of a level to `values`."""
    hidden = first_bias.copy()
    for index in range(first.shape[0]):
        if inputs[index]:
            for unit in range(hidden.size):
                hidden[unit] += inputs[index] * first[index, unit]
    for unit in range(hidden.size):
        hidden[unit] = min(max(hidden[unit], 0), ONE)
    middle = second_bias.copy()
    for row in range(middle.size):
        total = 0
        for unit in range(hidden.size):
            total += hidden[unit] * second[row, unit]
        middle[row] = min(max((total >> _WEIGHT_BITS) + middle[row], 0), ONE)
    for node in range(values.size):
        result = third_bias[node]
        for unit in range(middle.size):
            result += middle[unit] * third[node, unit]
        values[node] = max(-2047, min(2047, result >> _OUTPUT_BITS))
