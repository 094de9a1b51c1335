"""The starting noise of pictures: identical on every machine and device.

A counter-based generator (Philox 4x64, Salmon et al., SC 2011) gives integers; a table maps each sixteen bits to a
fixed-point normal value. No step depends on a mathematics library or on the order of floating-point operations, so
sender and receiver, CPU and GPU get the same noise from the same seed.
"""

from functools import cache
from math import prod
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

_LEVELS = 1 << 16

#: Fixed point of the table: normal values in units of 2**-16. A float32 holds all of them exactly.
_UNIT = 1 << 16


def draw_noise(shape: tuple[int, ...], seed: int, stream: int = 0) -> NDArray[np.float32]:
    """Draw standard normal noise.

    Args:
        shape: of the result.
        seed: 0 to 2**64 - 1.
        stream: number of an independent stream of the seed: 0 is the starting noise, n the noise added by step n.

    Returns:
        float32 of `shape`; mean 0, variance 1, all values within 4.4.
    """
    count = prod(shape)
    words = np.random.Philox(key=np.array([seed, stream], np.uint64)).random_raw((count + 3) // 4)
    shifts = np.arange(0, 64, 16, dtype=np.uint64)
    picks = ((words[:, None] >> shifts) & np.uint64(_LEVELS - 1)).reshape(-1)[:count]
    values = _normal_table()[picks].astype(np.float32)
    return np.asarray(values / np.float32(_UNIT), np.float32).reshape(shape)


@cache
def _normal_table() -> NDArray[np.int32]:
    """Return the quantiles at the middles of 65,536 equal shares of probability; the mean is exactly zero."""
    normal = NormalDist()
    lower = [round(normal.inv_cdf((2 * level + 1) / (2 * _LEVELS)) * _UNIT) for level in range(_LEVELS // 2)]
    return np.array(lower + [-value for value in reversed(lower)], np.int32)
