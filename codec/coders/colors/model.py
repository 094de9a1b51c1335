"""Colours in steps of equal visible size, and what is likely in a cell of a colour map, in integers only.

A colour is three *levels*: of lightness, of red against green and of yellow against blue. Levels count steps in CIELAB,
bent so that one step looks about as large everywhere (the weights of CIEDE2000, integrated). `training.tables.colors`
tabulates which RGB each triple of levels stands for, and trains the networks that predict them.

A level is coded as its difference from a guess: is there one, of which sign, is it more than 1, 2, ... (the *nodes*).
"""

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from codec.coders.entropy import compiled
from codec.coders.tables import load_table, load_weights

#: Step sizes in tenths, finest first; a step of 1 is just noticeable.
TENTHS = (32, 44, 64)

#: Differences told apart by nodes of their own, in both directions, and nodes in all.
REACH = 11
NODES = 2 + 2 * REACH

#: Largest difference that is coded.
FARTHEST = 63

#: (row, column) steps to cells farther away, of which only the same kind of level is seen.
_FARTHER = ((-1, -2), (-1, 2), (-2, -1), (-2, 1), (-3, 0), (0, -3))

_NEIGHBOURS = 6
_AT_OTHERS = _NEIGHBOURS
_AT_GUESSES = 3 * _NEIGHBOURS
_AT_EARLIER = _AT_GUESSES + 3
_AT_BORDER = _AT_EARLIER + 2
_AT_STEP = _AT_BORDER + 4
_AT_SIZE = _AT_STEP + len(TENTHS)
_AT_FARTHER = _AT_SIZE + 4
_AT_HEIGHT = _AT_FARTHER + len(_FARTHER)
_AT_PARENTS = _AT_HEIGHT + 2
_AT_OTHER_PARENTS = _AT_PARENTS + 9
_AT_PLACE = _AT_OTHER_PARENTS + 2

#: Inputs of the networks of whole maps, and of those of refined ones.
INPUTS = _AT_PARENTS
FINER_INPUTS = _AT_PLACE + 4

#: What one is in weights of the first stage and in the clipped stages, and in weights of the other stages.
ONE = 1024
WEIGHT_ONE = 4096
_WEIGHT_BITS = 12
_OUTPUT_BITS = 14


@dataclass(frozen=True, slots=True)
class Shades:
    """The colours of one step size.

    Attributes:
        colors: (lightness levels, red levels, yellow levels, 3) uint8 RGB.
        origin: (3,) int32, the index of level 0.
    """

    colors: NDArray[np.uint8]
    origin: NDArray[np.int32]

    def place(self, levels: NDArray[np.int64] | NDArray[np.int32]) -> NDArray[np.int64]:
        """Indices into the colours: those of the levels, or the nearest that there are."""
        return np.asarray(np.clip(levels + self.origin, 0, np.array(self.colors.shape[:3]) - 1), np.int64)


class Predictor(NamedTuple):
    """Weights of the networks of the three kinds of level; a tuple, as compiled functions take one.

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
def load_shades(step: int) -> Shades:
    """The colours of `TENTHS[step]`."""
    table = load_table("shades")
    return Shades(np.asarray(table[f"colors_{step}"], np.uint8), np.asarray(table[f"origin_{step}"], np.int32))


@cache
def load_predictor(finer: bool) -> Predictor:
    """The trained networks of whole maps, or those of refined ones."""
    return Predictor(*load_weights("colors", "finer_" if finer else "", Predictor._fields))


@compiled
def expect(
    levels: NDArray[np.int32],
    coarse: NDArray[np.int32],
    finer: bool,
    row: int,
    column: int,
    plane: int,
    step: int,
    predictor: Predictor,
    inputs: NDArray[np.int32],
    values: NDArray[np.int32],
) -> int:
    """What is likely of a level: return the guess, and leave the logistic values of its nodes in `values`.

    Args:
        levels: (rows, columns, 3), coded as far as this level.
        coarse: (rows, columns, 3) levels of the map that is refined, or anything if not `finer`.
        finer: whether there is one.
        row: of the cell.
        column: of the cell.
        plane: which of the cell's levels.
        step: index of the step size.
        predictor: the trained networks.
        inputs: room for what the network sees.
        values: room for the result.
    """
    guess = gather_inputs(levels, coarse, finer, row, column, plane, step, inputs)
    _predict_nodes(
        inputs,
        predictor.first[plane],
        predictor.first_bias[plane],
        predictor.second[plane],
        predictor.second_bias[plane],
        predictor.third[plane],
        predictor.third_bias[plane],
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
    """Fill in what the network sees of a level, and return the guess; arguments are as in `expect`."""
    rows, columns = levels.shape[0], levels.shape[1]
    inputs[:] = 0
    up, back = max(row - 1, 0), max(column - 1, 0)
    ahead, up2, back2 = min(column + 1, columns - 1), max(row - 2, 0), max(column - 2, 0)
    result = 0
    for turn in range(3):
        at = (plane + turn) % 3
        # What is outside, or not known yet, is as the nearest that is known.
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
    """Logistic values of all nodes of a level, into `values`."""
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
