"""The networks of the plane coder, in integer arithmetic only.

A network has three stages: a sum of rows of weights, one row per feature, clipped; a dense layer, clipped; a dense
layer. `training.tables.planes` trains the weights. Their ranges ensure that every sum fits into 32 bits.
"""

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from codec.coders.entropy import LOGISTIC_BOUND
from codec.coders.tables import load_table
from codec.compiled import compiled_uncounted

#: Fixed-point value of 1 in the clipped stages, and in the weights of the second and third stage.
ONE = 1024
WEIGHT_ONE = 4096
_WEIGHT_BITS = 12
_OUTPUT_BITS = 14

#: Number of units of the second stage.
MIDDLE = 16

#: Rows of weights that are added at a time, and so the spare entries that a feature list needs at its end.
_AT_A_TIME = 4
SPARE = 4

#: Names of the networks: significance of a coefficient, its sign, its refinement bits, significance of a node (leaf,
#: block or slot).
NETWORKS = ("zero", "sign", "more", "node")


class Network(NamedTuple):
    """The weights of all networks. A named tuple, because compiled functions accept tuples.

    Attributes:
        starts: int64 (4,), index of each network's first row in `first`.
        units: int64 (4,), number of units of each network's first stage, at most M.
        first: (features of all networks + 1, M) int16, 1024 is one; the last row belongs to no feature and is zero.
        first_bias: (4, M) int32, 1024 is one.
        second: (4, MIDDLE, M) int16, 4096 is one.
        second_bias: (4, MIDDLE) int32, 1024 is one.
        third: (4, MIDDLE) int32, 4096 / 256 is one logistic unit.
        third_bias: (4,) int32, in 1 / 16384 logistic units.
    """

    starts: NDArray[np.int64]
    units: NDArray[np.int64]
    first: NDArray[np.int16]
    first_bias: NDArray[np.int32]
    second: NDArray[np.int16]
    second_bias: NDArray[np.int32]
    third: NDArray[np.int32]
    third_bias: NDArray[np.int32]


@cache
def load_networks() -> Network:
    """Load the trained networks."""
    table = load_table("planes")
    rows = [table[f"{name}_first"] for name in NETWORKS]
    units = np.array([each.shape[1] for each in rows], np.int64)
    most = int(units.max())

    def stacked(field: str) -> NDArray[Any]:
        """Stack a field of all networks; pad with zeros where a network has fewer units than another."""
        each = [table[f"{name}_{field}"] for name in NETWORKS]
        if field in ("first_bias", "second"):
            each = [np.pad(array, [(0, most - len(array)), *[(0, 0)] * (array.ndim - 1)]) for array in each]
        return np.stack(each)

    rows.append(np.zeros((1, 0), np.int16))
    first = np.concatenate([np.pad(each, ((0, 0), (0, most - each.shape[1]))) for each in rows])
    starts = np.cumsum([0, *(len(each) for each in rows[:-2])]).astype(np.int64)
    # Compiled loops read the weights of each second-stage unit in sequence, so these are contiguous.
    second = np.ascontiguousarray(np.moveaxis(stacked("second"), 1, 2))
    others = [stacked(field) for field in Network._fields[5:]]
    return Network(starts, units, first, stacked("first_bias"), second, *others)


@compiled_uncounted
def predict(
    active: NDArray[np.int64],
    count: int,
    network: Network,
    which: int,
    sums: NDArray[np.int32],
    hidden: NDArray[np.int16],
) -> int:
    """Return the logistic value that a network predicts from features; `sums` and `hidden` are work buffers."""
    start, units = network.starts[which], network.units[which]
    for unit in range(units):
        sums[unit] = network.first_bias[which, unit]
    nothing = network.first.shape[0] - 1 - start
    for index in range(count, count + _AT_A_TIME - 1):
        active[index] = nothing
    for index in range(0, count, _AT_A_TIME):
        one, two = network.first[start + active[index]], network.first[start + active[index + 1]]
        three, four = network.first[start + active[index + 2]], network.first[start + active[index + 3]]
        for unit in range(units):
            # Without the casts numba widens the sums, which takes twice as long. The same holds for the products below.
            sums[unit] += np.int32(np.int32(one[unit] + two[unit]) + np.int32(three[unit] + four[unit]))
    for unit in range(units):
        hidden[unit] = min(max(sums[unit], 0), ONE)
    result = int(network.third_bias[which])
    for index in range(MIDDLE):
        weights = network.second[which, index]
        total = np.int32(0)
        for unit in range(units):
            total = np.int32(total + np.int32(hidden[unit]) * np.int32(weights[unit]))
        stage = min(max((total >> _WEIGHT_BITS) + network.second_bias[which, index], 0), ONE)
        result += stage * network.third[which, index]
    return max(-LOGISTIC_BOUND, min(LOGISTIC_BOUND, result >> _OUTPUT_BITS))
