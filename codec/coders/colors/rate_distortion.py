"""Which of the levels that look like a colour to code: those that look right for few bits, in integers only."""

import numpy as np
from numpy.typing import NDArray

from codec.coders.colors.candidates import CHOICES
from codec.coders.colors.model import NODES, REACH, Predictor, expect
from codec.coders.entropy import LOGISTIC_BOUND, compiled

#: What a bit is worth, in 1/256 of a CIEDE2000.
BIT_WORTH = 128

#: How many choices, the best by themselves, are weighed again by what they make of the cells to the right and below.
WEIGHED = 3


@compiled
def choose_levels(
    levels: NDArray[np.int32],
    coarse: NDArray[np.int32],
    finer: bool,
    step: int,
    proposed: NDArray[np.int32],
    looks: NDArray[np.int32],
    predictor: Predictor,
    squash: NDArray[np.int32],
    bit_costs: NDArray[np.int32],
) -> None:
    """Choose the levels of every cell: in reading order, then again, now that those that follow are known.

    Args:
        levels: (rows, columns, 3) int32, which is filled.
        coarse: (rows, columns, 3) levels of the map that is refined, or anything if not `finer`.
        finer: whether there is one.
        step: index of the step size.
        proposed: the levels of `codec.coders.colors.candidates.Proposals`.
        looks: the looks of the same.
        predictor: the trained networks.
        squash: probabilities of logistic values.
        bit_costs: costs of probabilities.
    """
    inputs, values = np.zeros(predictor.first.shape[1], np.int32), np.zeros(NODES, np.int32)
    costs = np.zeros(CHOICES, np.int64)
    rows, columns = levels.shape[0], levels.shape[1]
    for again in range(2):
        for row in range(rows):
            for column in range(columns):
                costs[:] = 0
                # Levels depend on those before them in the same cell, hence the nodes of a tree of choices.
                for plane in range(3):
                    for pick in range(0, CHOICES, CHOICES >> plane):
                        for earlier in range(plane):
                            levels[row, column, earlier] = proposed[row, column, pick, earlier]
                        guess = expect(levels, coarse, finer, row, column, plane, step, predictor, inputs, values)
                        for choice in range(pick, pick + (CHOICES >> plane)):
                            difference = proposed[row, column, choice, plane] - guess
                            costs[choice] += _cost_of(difference, values, squash, bit_costs) * BIT_WORTH
                for choice in range(CHOICES):
                    costs[choice] += np.int64(looks[row, column, choice]) << 8
                best = np.argmin(costs)
                if again:
                    ranked = np.argsort(costs)[:WEIGHED]
                    for choice in ranked:
                        levels[row, column] = proposed[row, column, choice]
                        for y, x in ((row, column + 1), (row + 1, column)):
                            if y < rows and x < columns:
                                for plane in range(3):
                                    guess = expect(levels, coarse, finer, y, x, plane, step, predictor, inputs, values)
                                    difference = levels[y, x, plane] - guess
                                    costs[choice] += _cost_of(difference, values, squash, bit_costs) * BIT_WORTH
                    best = ranked[np.argmin(costs[ranked])]
                levels[row, column] = proposed[row, column, best]


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
