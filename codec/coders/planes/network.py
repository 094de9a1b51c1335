"""The networks of the plane coder, in integers only: features -> sum of rows, clipped -> dense, clipped -> dense.

Weights are trained by `training.table_planes`; ranges are chosen so that no sum leaves 32 bits.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from codec.coders.entropy import LOGISTIC_BOUND
from codec.coders.tables import load_table
from codec.compiled import compiled

#: What one is in the clipped stages, and in the weights of the second and third stage.
ONE = 1024
WEIGHT_ONE = 4096
_WEIGHT_BITS = 12
_OUTPUT_BITS = 14

#: Names of the networks: is a coefficient significant, its sign, a further bit of it, is a node not empty.
NETWORKS = ("zero", "sign", "more", "node")


class Network(NamedTuple):
    """The weights of all networks; a tuple, as compiled functions take one.

    Attributes:
        start: int64 (4,), the first of each network's rows in `first`.
        first: (features of all, M) int16, 1024 is one.
        first_bias: (4, M) int32, 1024 is one.
        second: (4, N, M) int16, 4096 is one.
        second_bias: (4, N) int32, 1024 is one.
        third: (4, N) int32, 4096 / 256 is one logistic unit.
        third_bias: (4,) int32, in 1 / 16384 logistic units.
    """

    start: NDArray[np.int64]
    first: NDArray[np.int16]
    first_bias: NDArray[np.int32]
    second: NDArray[np.int16]
    second_bias: NDArray[np.int32]
    third: NDArray[np.int32]
    third_bias: NDArray[np.int32]


@cache
def load_networks() -> Network:
    """The trained networks."""
    table = load_table("planes")
    rows = [table[f"{name}_first"] for name in NETWORKS]
    stacked = {name: np.stack([table[f"{network}_{name}"] for network in NETWORKS]) for name in Network._fields[2:]}
    start = np.cumsum([0, *(len(each) for each in rows[:-1])])
    return Network(start.astype(np.int64), np.ascontiguousarray(np.concatenate(rows)), **stacked)


@compiled
def predict(
    active: NDArray[np.int64],
    count: int,
    network: Network,
    which: int,
    sums: NDArray[np.int32],
    hidden: NDArray[np.int16],
) -> int:
    """Logistic value of a decision from its features by one of the networks; `sums` and `hidden` are room for that."""
    start = network.start[which]
    for unit in range(hidden.size):
        sums[unit] = network.first_bias[which, unit]
    for index in range(count):
        row = network.first[start + active[index]]
        for unit in range(hidden.size):
            # Without the casts the sums are widened, which takes twice as long; so it is with products below.
            sums[unit] = np.int32(sums[unit] + np.int32(row[unit]))
    for unit in range(hidden.size):
        hidden[unit] = min(max(sums[unit], 0), ONE)
    result = int(network.third_bias[which])
    for index in range(network.second_bias.shape[1]):
        weights = network.second[which, index]
        total = np.int32(0)
        for unit in range(hidden.size):
            total = np.int32(total + np.int32(hidden[unit]) * np.int32(weights[unit]))
        stage = min(max((total >> _WEIGHT_BITS) + network.second_bias[which, index], 0), ONE)
        result += stage * network.third[which, index]
    return max(-LOGISTIC_BOUND, min(LOGISTIC_BOUND, result >> _OUTPUT_BITS))
