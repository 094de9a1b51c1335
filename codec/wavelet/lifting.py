"""CDF 9/7 wavelet transform in place, by lifting. Compiled; transforms rows and columns in turn.

`low` holds the even samples and one extra sample at the end. `high` holds the odd samples and one extra sample at each
end. The extra samples hold the symmetric extension. Columns are processed in strips.
"""

import numpy as np
from numpy.typing import NDArray

from codec.compiled import compiled

#: Factors of the lifting steps in the order of the forward transform, then the gain: the low band is multiplied by it,
#: the high band divided by it. All are float32, because a float64 factor would promote the arithmetic to float64.
_PREDICT_1, _UPDATE_1 = np.float32(-1.586134342059924), np.float32(-0.052980118572961)
_PREDICT_2, _UPDATE_2 = np.float32(0.882911075530934), np.float32(0.443506852043971)
_GAIN, _INVERSE_GAIN = np.float32(1.149604398860241), np.float32(1 / 1.149604398860241)

#: Columns per strip, chosen so that a strip fits into the CPU cache.
_STRIP = 64


@compiled
def split(samples: NDArray[np.float32], levels: int) -> None:
    """Transform a channel in place, (H, W) float32: samples to coefficients."""
    height, width = samples.shape
    for _ in range(levels):
        if width > 1:
            low = np.empty((width + 1) // 2 + 1, np.float32)
            high = np.empty(width // 2 + 2, np.float32)
            for y in range(height):
                _split_row(samples[y, :width], low, high)
        if height > 1:
            lows = np.empty(((height + 1) // 2 + 1, _STRIP), np.float32)
            highs = np.empty((height // 2 + 2, _STRIP), np.float32)
            for x in range(0, width, _STRIP):
                _split_columns(samples[:height, x : min(x + _STRIP, width)], lows, highs)
        height, width = (height + 1) // 2, (width + 1) // 2


@compiled
def merge(samples: NDArray[np.float32], levels: int) -> None:
    """Transform a channel in place, (H, W) float32: coefficients to samples."""
    for level in range(levels - 1, -1, -1):
        height, width = samples.shape
        for _ in range(level):
            height, width = (height + 1) // 2, (width + 1) // 2
        if height > 1:
            lows = np.empty(((height + 1) // 2 + 1, _STRIP), np.float32)
            highs = np.empty((height // 2 + 2, _STRIP), np.float32)
            for x in range(0, width, _STRIP):
                _merge_columns(samples[:height, x : min(x + _STRIP, width)], lows, highs)
        if width > 1:
            low = np.empty((width + 1) // 2 + 1, np.float32)
            high = np.empty(width // 2 + 2, np.float32)
            for y in range(height):
                _merge_row(samples[y, :width], low, high)


@compiled
def _lift_odd(low: NDArray[np.float32], high: NDArray[np.float32], count: int, factor: np.float32) -> None:
    even = low.shape[0] - 1
    low[even] = low[even - 1]
    for i in range(count):
        high[i + 1] += factor * (low[i] + low[i + 1])


@compiled
def _lift_even(low: NDArray[np.float32], high: NDArray[np.float32], count: int, factor: np.float32) -> None:
    odd = high.shape[0] - 2
    high[0], high[odd + 1] = high[1], high[odd]
    for i in range(count):
        low[i] += factor * (high[i] + high[i + 1])


@compiled
def _split_row(row: NDArray[np.float32], low: NDArray[np.float32], high: NDArray[np.float32]) -> None:
    even, odd = (row.shape[0] + 1) // 2, row.shape[0] // 2
    for i in range(even):
        low[i] = row[2 * i]
    for i in range(odd):
        high[i + 1] = row[2 * i + 1]
    _lift_odd(low, high, odd, _PREDICT_1)
    _lift_even(low, high, even, _UPDATE_1)
    _lift_odd(low, high, odd, _PREDICT_2)
    _lift_even(low, high, even, _UPDATE_2)
    for i in range(even):
        row[i] = low[i] * _GAIN
    for i in range(odd):
        row[even + i] = high[i + 1] * _INVERSE_GAIN


@compiled
def _merge_row(row: NDArray[np.float32], low: NDArray[np.float32], high: NDArray[np.float32]) -> None:
    even, odd = (row.shape[0] + 1) // 2, row.shape[0] // 2
    for i in range(even):
        low[i] = row[i] * _INVERSE_GAIN
    for i in range(odd):
        high[i + 1] = row[even + i] * _GAIN
    _lift_even(low, high, even, -_UPDATE_2)
    _lift_odd(low, high, odd, -_PREDICT_2)
    _lift_even(low, high, even, -_UPDATE_1)
    _lift_odd(low, high, odd, -_PREDICT_1)
    for i in range(odd):
        row[2 * i], row[2 * i + 1] = low[i], high[i + 1]
    if even > odd:
        row[2 * odd] = low[odd]


@compiled
def _lift_odd_rows(low: NDArray[np.float32], high: NDArray[np.float32], count: int, factor: np.float32) -> None:
    even = low.shape[0] - 1
    low[even] = low[even - 1]
    for i in range(count):
        for j in range(_STRIP):
            high[i + 1, j] += factor * (low[i, j] + low[i + 1, j])


@compiled
def _lift_even_rows(low: NDArray[np.float32], high: NDArray[np.float32], count: int, factor: np.float32) -> None:
    odd = high.shape[0] - 2
    high[0] = high[1]
    high[odd + 1] = high[odd]
    for i in range(count):
        for j in range(_STRIP):
            low[i, j] += factor * (high[i, j] + high[i + 1, j])


@compiled
def _split_columns(block: NDArray[np.float32], low: NDArray[np.float32], high: NDArray[np.float32]) -> None:
    even, odd, width = (block.shape[0] + 1) // 2, block.shape[0] // 2, block.shape[1]
    for i in range(even):
        low[i, :width] = block[2 * i]
    for i in range(odd):
        high[i + 1, :width] = block[2 * i + 1]
    _lift_odd_rows(low, high, odd, _PREDICT_1)
    _lift_even_rows(low, high, even, _UPDATE_1)
    _lift_odd_rows(low, high, odd, _PREDICT_2)
    _lift_even_rows(low, high, even, _UPDATE_2)
    for i in range(even):
        for j in range(width):
            block[i, j] = low[i, j] * _GAIN
    for i in range(odd):
        for j in range(width):
            block[even + i, j] = high[i + 1, j] * _INVERSE_GAIN


@compiled
def _merge_columns(block: NDArray[np.float32], low: NDArray[np.float32], high: NDArray[np.float32]) -> None:
    even, odd, width = (block.shape[0] + 1) // 2, block.shape[0] // 2, block.shape[1]
    for i in range(even):
        for j in range(width):
            low[i, j] = block[i, j] * _INVERSE_GAIN
    for i in range(odd):
        for j in range(width):
            high[i + 1, j] = block[even + i, j] * _GAIN
    _lift_even_rows(low, high, even, -_UPDATE_2)
    _lift_odd_rows(low, high, odd, -_PREDICT_2)
    _lift_even_rows(low, high, even, -_UPDATE_1)
    _lift_odd_rows(low, high, odd, -_PREDICT_1)
    for i in range(even):
        block[2 * i] = low[i, :width]
    for i in range(odd):
        block[2 * i + 1] = high[i + 1, :width]
