"""Rate-distortion choice among the candidate levels of each cell, in integers only."""

import numpy as np
from numpy.typing import NDArray

from codec.coders.colors.candidates import CANDIDATES
from codec.coders.colors.model import NODES, REACH, ColorNetwork, predict_level
from codec.coders.entropy import LOGISTIC_BOUND, compiled

#: Cost of a bit, in 1/256 of a CIEDE2000.
BIT_WORTH = 128

#: Number of best candidates that are weighed again by their effect on the cells to the right and below.
WEIGHED = 3


@compiled
def choose_levels(
    levels: NDArray[np.int32],
    coarse: NDArray[np.int32],
    finer: bool,
    step: int,
    candidates: NDArray[np.int32],
    distances: NDArray[np.int32],
    network: ColorNetwork,
    squash: NDArray[np.int32],
    bit_costs: NDArray[np.int32],
) -> None:
    """Choose the levels of every cell in reading order; then again, with the levels of the following cells known.

    Args:
        levels: (rows, columns, 3) int32, output.
        coarse: (rows, columns, 3) levels of the map that is refined; ignored if not `finer`.
        finer: a coarser map is refined.
        step: index of the step size.
        candidates: the levels of `codec.coders.colors.candidates.Candidates`.
        distances: the distances of `Candidates`.
        network: the trained networks.
        squash: probabilities of logistic values.
        bit_costs: costs of probabilities.
    """
    inputs, values = np.zeros(network.first.shape[1], np.int32), np.zeros(NODES, np.int32)
    costs = np.zeros(CANDIDATES, np.int64)
    rows, columns = levels.shape[0], levels.shape[1]
    for again in range(2):
        for row in range(rows):
            for column in range(columns):
                costs[:] = 0
                # A level's prediction depends on the levels before it in the same cell: walk the tree of candidates.
                for plane in range(3):
                    for pick in range(0, CANDIDATES, CANDIDATES >> plane):
                        for earlier in range(plane):
                            levels[row, column, earlier] = candidates[row, column, pick, earlier]
                        guess = predict_level(levels, coarse, finer, row, column, plane, step, network, inputs, values)
                        for choice in range(pick, pick + (CANDIDATES >> plane)):
                            difference = candidates[row, column, choice, plane] - guess
                            costs[choice] += _cost_of(difference, values, squash, bit_costs) * BIT_WORTH
                for choice in range(CANDIDATES):
                    costs[choice] += np.int64(distances[row, column, choice]) << 8
                best = np.argmin(costs)
                if again:
                    ranked = np.argsort(costs)[:WEIGHED]
                    for choice in ranked:
                        levels[row, column] = candidates[row, column, choice]
                        costs[choice] += _cost_of_followers(
                            levels, coarse, finer, row, column, step, network, inputs, values, squash, bit_costs
                        )
                    best = ranked[np.argmin(costs[ranked])]
                levels[row, column] = candidates[row, column, best]


@compiled
def _cost_of_followers(
    levels: NDArray[np.int32],
    coarse: NDArray[np.int32],
    finer: bool,
    row: int,
    column: int,
    step: int,
    network: ColorNetwork,
    inputs: NDArray[np.int32],
    values: NDArray[np.int32],
    squash: NDArray[np.int32],
    bit_costs: NDArray[np.int32],
) -> int:
    """Return the cost of the current levels of the cells to the right and below, in 1/256 bits times `BIT_WORTH`."""
    total = 0
    for y, x in ((row, column + 1), (row + 1, column)):
        if y < levels.shape[0] and x < levels.shape[1]:
            for plane in range(3):
                guess = predict_level(levels, coarse, finer, y, x, plane, step, network, inputs, values)
                total += _cost_of(levels[y, x, plane] - guess, values, squash, bit_costs) * BIT_WORTH
    return total


@compiled
def _cost_of(
    difference: int, values: NDArray[np.int32], squash: NDArray[np.int32], bit_costs: NDArray[np.int32]
) -> int:
    """Return the cost of coding a difference, in 1/256 bits."""
    size = abs(difference)
    total = 0
    for at in range(min(size, REACH) + 1):
        node = 0 if at == 0 else 1 + at + (REACH if difference < 0 else 0)
        probability = squash[values[node] + LOGISTIC_BOUND] >> 4
        total += bit_costs[probability if size > at else 4096 - probability]
    if size:
        probability = squash[values[1] + LOGISTIC_BOUND] >> 4
        total += bit_costs[probability if difference < 0 else 4096 - probability]
    return total
