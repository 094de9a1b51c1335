"""The cells of a colour map, written and read level by level."""

import numpy as np
from numpy.typing import NDArray

from codec.coders.matching import CHOICES
from codec.coders.shades import FARTHEST, NODES, REACH, Predictor, expect
from codec.entropy import LOGISTIC_BOUND, READING, UNSURE, code_bit, compiled

#: What a bit is worth when a cell's levels are chosen, in 1/256 of a CIEDE2000.
BIT_WORTH = 166

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
    proposed: NDArray[np.int32],
    looks: NDArray[np.int32],
    predictor: Predictor,
    squash: NDArray[np.int32],
    bit_costs: NDArray[np.int32],
) -> int:
    """Code every level in reading order; return the number of rows before the first unsure bit.

    Writing, each cell takes of the `codec.coders.matching.Proposals` the one of which look and bits together are least.
    """
    values = np.zeros(NODES, np.int32)
    shifts = np.zeros((3, NODES), np.int64)
    inputs = np.zeros(predictor.first.shape[1], np.int32)
    costs = np.zeros(CHOICES, np.int64)
    sound = 0
    for row in range(levels.shape[0]):
        for column in range(levels.shape[1]):
            if not state[READING]:
                # Levels depend on those coded before them in the same cell, hence the nodes of a tree of choices.
                costs[:] = 0
                for plane in range(3):
                    for pick in range(0, CHOICES, CHOICES >> plane):
                        for earlier in range(plane):
                            levels[row, column, earlier] = proposed[row, column, pick, earlier]
                        guess = expect(levels, coarse, finer, row, column, plane, step, predictor, inputs, values)
                        for chosen in range(pick, pick + (CHOICES >> plane)):
                            difference = proposed[row, column, chosen, plane] - guess
                            costs[chosen] += _cost_of(difference, values, squash, bit_costs)
                best = np.argmin((looks[row, column].astype(np.int64) << 8) + costs * BIT_WORTH)
                levels[row, column] = proposed[row, column, best]
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


@compiled
def _cost_of(
    difference: int, values: NDArray[np.int32], squash: NDArray[np.int32], bit_costs: NDArray[np.int32]
) -> int:
    """What a difference would take, in 1/256 bits."""
    size = abs(difference)
    total = 0
    for at in range(min(size, REACH) + 1):
        node = 0 if at == 0 else 1 + at + (REACH if difference < 0 else 0)
        chance = squash[values[node] + LOGISTIC_BOUND] >> 4
        total += bit_costs[chance if size > at else 4096 - chance]
    if size:
        chance = squash[values[1] + LOGISTIC_BOUND] >> 4
        total += bit_costs[chance if difference < 0 else 4096 - chance]
    return total
