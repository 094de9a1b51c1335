"""Coding of the cells of a colour map, level by level."""

import numpy as np
from numpy.typing import NDArray

from codec.coders.colors.model import MAX_DIFFERENCE, NODES, REACH, ColorNetwork, predict_level
from codec.coders.entropy import LOGISTIC_BOUND, UNSURE, code_bit, compiled

#: Learning rate of the networks' corrections.
_RATE = 3


@compiled
def code_levels(
    state: NDArray[np.int64],
    data: NDArray[np.uint8],
    levels: NDArray[np.int32],
    coarse: NDArray[np.int32],
    finer: bool,
    step: int,
    network: ColorNetwork,
    squash: NDArray[np.int32],
) -> int:
    """Code all levels in reading order. Return the number of rows before the first unsure bit."""
    values = np.zeros(NODES, np.int32)
    shifts = np.zeros((3, NODES), np.int64)
    inputs = np.zeros(network.first.shape[1], np.int32)
    certain = 0
    for row in range(levels.shape[0]):
        for column in range(levels.shape[1]):
            for plane in range(3):
                guess = predict_level(levels, coarse, finer, row, column, plane, step, network, inputs, values)
                difference = levels[row, column, plane] - guess
                levels[row, column, plane] = guess + _code_difference(
                    state, data, difference, values, shifts[plane], squash
                )
        if state[UNSURE]:
            break
        certain += 1
    return certain


@compiled
def _code_difference(
    state: NDArray[np.int64],
    data: NDArray[np.uint8],
    difference: int,
    values: NDArray[np.int32],
    shifts: NDArray[np.int64],
    squash: NDArray[np.int32],
) -> int:
    """Code one difference node by node and return it; `shifts` are the learnt corrections of the nodes."""
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
            if not bit or size >= MAX_DIFFERENCE:
                return -size if negative else size
        node = 1 if node == 0 else 1 + min(size, REACH) + (REACH if negative else 0)
