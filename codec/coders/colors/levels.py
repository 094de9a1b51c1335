"""The cells of a colour map, written and read level by level."""

import numpy as np
from numpy.typing import NDArray

from codec.coders.colors.model import FARTHEST, NODES, REACH, Predictor, expect
from codec.coders.entropy import LOGISTIC_BOUND, UNSURE, code_bit, compiled

#: How fast the learnt corrections of the networks move.
_RATE = 3


@compiled
def code_levels(
    state: NDArray[np.int64],
    data: NDArray[np.uint8],
    levels: NDArray[np.int32],
    coarse: NDArray[np.int32],
    finer: bool,
    step: int,
    predictor: Predictor,
    squash: NDArray[np.int32],
) -> int:
    """Code every level in reading order; return the number of rows before the first unsure bit."""
    values = np.zeros(NODES, np.int32)
    shifts = np.zeros((3, NODES), np.int64)
    inputs = np.zeros(predictor.first.shape[1], np.int32)
    sound = 0
    for row in range(levels.shape[0]):
        for column in range(levels.shape[1]):
            for plane in range(3):
                guess = expect(levels, coarse, finer, row, column, plane, step, predictor, inputs, values)
                difference = levels[row, column, plane] - guess
                levels[row, column, plane] = guess + _code_difference(
                    state, data, difference, values, shifts[plane], squash
                )
        if state[UNSURE]:
            break
        sound += 1
    return sound


@compiled
def _code_difference(
    state: NDArray[np.int64],
    data: NDArray[np.uint8],
    difference: int,
    values: NDArray[np.int32],
    shifts: NDArray[np.int64],
    squash: NDArray[np.int32],
) -> int:
    """Code one difference node by node; `shifts` are the learnt corrections of its nodes."""
    size = 0
    negative = 0
    node = 0
    while True:
        asked = difference < 0 if node == 1 else abs(difference) > size
        value = values[node] + (shifts[node] >> 8)
        probability = squash[max(-LOGISTIC_BOUND, min(LOGISTIC_BOUND, value)) + LOGISTIC_BOUND]
        bit = code_bit(state, data, 1 if asked else 0, probability)
        shifts[node] += ((bit << 16) - probability) * _RATE >> 6
        if node == 1:
            negative = bit
        else:
            size += bit
            if not bit or size >= FARTHEST:
                return -size if negative else size
        node = 1 if node == 0 else 1 + min(size, REACH) + (REACH if negative else 0)
