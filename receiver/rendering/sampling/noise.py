"""The noise that pictures start from: the same on every machine and device.

A counter generator (Philox 4x64, Salmon et al., SC 2011) gives integers; a table turns each sixteen bits into a
fixed-point normal value. No step depends on a mathematics library or on the order of floating-point work, so
sender and receiver, CPU and GPU start alike from one seed.
"""

from functools import cache
from math import prod
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

_LEVELS = 1 << 16

#: Fixed point of the table: normal values in units of 2**-16. All fit exactly into a float32.
_UNIT = 1 << 16


def draw_noise(shape: tuple[int, ...], seed: int, stream: int = 0) -> NDArray[np.float32]:
    """Draw standard normal noise.

    Args:
        shape: of the result.
        seed: 0 to 2**64 - 1.
        stream: which of the seed's independent streams: 0 is the starting noise, n what step n adds.

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
    """Quantiles at the middle of 65,536 equal shares of probability, mirrored so that the mean is exactly zero."""
    normal = NormalDist()
    lower = [round(normal.inv_cdf((2 * level + 1) / (2 * _LEVELS)) * _UNIT) for level in range(_LEVELS // 2)]
    return np.array(lower + [-value for value in reversed(lower)], np.int32)
