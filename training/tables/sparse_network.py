"""Training of networks whose inputs are lists of features.

A network has three stages: a sum of rows of weights, clipped; a dense layer, clipped; a dense layer. Most inputs have a
dozen of hundreds of features, so compiled loops over the lists are ten times as fast as tensor operations.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codec.compiled import compiled

#: Adam's decay rates of the first and second moment, and the constant that prevents division by zero.
_FIRST, _SECOND, _LEAST = np.float32(0.9), np.float32(0.999), np.float32(1e-8)

#: Factor of a gradient that moves a clipped value back into range.
_LEAK = np.float32(0.1)

#: Steps of warm-up to the peak rate, share of the peak rate at the end, and weight decay.
_WARM_UP, _LAST_RATE, _DECAY = 200, 0.01, np.float32(1e-4)

Weights = tuple[NDArray[np.float32], ...]


@dataclass(frozen=True, eq=False)
class DecisionSamples:
    """Decisions and their features.

    Attributes:
        features: int16, the feature lists of all decisions, concatenated.
        starts: int64 (samples + 1,), where each list begins, and the end of the last.
        bits: float32 (samples,), 0 or 1.
    """

    features: NDArray[np.int16]
    starts: NDArray[np.int64]
    bits: NDArray[np.float32]


def train(
    samples: DecisionSamples, features: int, units: tuple[int, int], steps: int, rate: float, seed: int = 0
) -> Weights:
    """Train a network.

    Args:
        samples: training samples.
        features: number of features.
        units: units of the first and of the second stage, M and N.
        steps: number of steps of 512 samples each.
        rate: peak learning rate.
        seed: random seed of the initial weights and of the batches.

    Returns:
        Float32 weights: (features, M), (M,), (M, N), (N,), (N,), (1,). The network's output is in nats.
    """
    random = np.random.default_rng(seed)
    most, fewer = units
    shapes = ((features, most), (most,), (most, fewer), (fewer,), (fewer,), (1,))
    weights = tuple(np.zeros(shape, np.float32) for shape in shapes)
    weights[1][:] = random.uniform(0.1, 0.7, most)
    weights[2][:] = random.uniform(-1.5, 1.5, (most, fewer)) / np.sqrt(most)
    weights[3][:] = 0.3
    weights[4][:] = random.normal(0, 0.5, fewer)
    slopes, means, squares = (tuple(np.zeros(shape, np.float32) for shape in shapes) for _ in range(3))
    touched = np.zeros(features, np.uint8)
    for step in range(1, steps + 1):
        chosen = random.integers(0, len(samples.bits), 512)
        _pass(samples.features, samples.starts, samples.bits, chosen, weights, slopes, touched, True)
        fall = _LAST_RATE + (1 - _LAST_RATE) * (0.5 + 0.5 * np.cos(np.pi * step / steps))
        now = np.float32(rate * min(1, step / _WARM_UP) * fall)
        for row in np.flatnonzero(touched):
            _move(weights[0][row], slopes[0][row], means[0][row], squares[0][row], now, step, _DECAY)
        touched[:] = 0
        for index in range(1, len(shapes)):
            value, slope, mean, square = (array[index].reshape(-1) for array in (weights, slopes, means, squares))
            _move(value, slope, mean, square, now, step, np.float32(0))
    return weights


def cost(samples: DecisionSamples, weights: Weights) -> float:
    """Return the average cost of a decision in bits."""
    slopes = tuple(np.zeros_like(array) for array in weights)
    everything = np.arange(len(samples.bits))
    touched = np.zeros(len(weights[0]), np.uint8)
    total = _pass(samples.features, samples.starts, samples.bits, everything, weights, slopes, touched, False)
    return float(total / len(everything) / np.log(2))


@compiled
def _pass(
    features: NDArray[np.int16],
    starts: NDArray[np.int64],
    bits: NDArray[np.float32],
    chosen: NDArray[np.int64],
    weights: Weights,
    slopes: Weights,
    touched: NDArray[np.uint8],
    learning: bool,
) -> float:
    """Run samples forward and, if `learning`, add the gradient of their mean cost; return their total cost in nats."""
    first, first_bias, second, second_bias, third, third_bias = weights
    zero, one = np.float32(0), np.float32(1)
    sums, hidden, back = np.zeros_like(first_bias), np.zeros_like(first_bias), np.zeros_like(first_bias)
    middle = np.zeros_like(second_bias)
    total = 0.0
    for index in chosen:
        listed = features[starts[index] : starts[index + 1]]
        sums[:] = first_bias
        for feature in listed:
            for unit in range(sums.size):
                sums[unit] += first[feature, unit]
        middle[:] = second_bias
        for unit in range(sums.size):
            hidden[unit] = min(max(sums[unit], zero), one)
            for place in range(middle.size):
                middle[place] += hidden[unit] * second[unit, place]
        value = third_bias[0]
        for place in range(middle.size):
            value += third[place] * min(max(middle[place], zero), one)
        value = min(max(value, np.float32(-11)), np.float32(11))
        chance = one / (one + np.exp(-value))
        total -= np.log(chance if bits[index] else one - chance)
        if not learning:
            continue
        error = (chance - bits[index]) / np.float32(chosen.size)
        slopes[5][0] += error
        back[:] = zero
        for place in range(middle.size):
            slopes[4][place] += error * min(max(middle[place], zero), one)
            slope = _through(error * third[place], middle[place])
            slopes[3][place] += slope
            for unit in range(sums.size):
                slopes[2][unit, place] += slope * hidden[unit]
                back[unit] += slope * second[unit, place]
        for unit in range(sums.size):
            back[unit] = _through(back[unit], sums[unit])
            slopes[1][unit] += back[unit]
        for feature in listed:
            touched[feature] = 1
            for unit in range(sums.size):
                slopes[0][feature, unit] += back[unit]
    return total


@compiled
def _through(slope: np.float32, value: np.float32) -> np.float32:
    """Propagate a gradient back through a stage that clips the value to 0 and 1."""
    if 0 < value < 1:
        return slope
    return slope * _LEAK if (slope < 0) == (value <= 0) else np.float32(0)


@compiled
def _move(
    weights: NDArray[np.float32],
    slopes: NDArray[np.float32],
    means: NDArray[np.float32],
    squares: NDArray[np.float32],
    rate: np.float32,
    step: int,
    decay: np.float32,
) -> None:
    """Take a step of AdamW and clear the slopes.

    I. Loshchilov, F. Hutter, "Decoupled Weight Decay Regularization", 2019.
    """
    first = np.float32(1) - _FIRST ** np.float32(step)
    second = np.float32(1) - _SECOND ** np.float32(step)
    for index in range(weights.size):
        means[index] += (np.float32(1) - _FIRST) * (slopes[index] - means[index])
        squares[index] += (np.float32(1) - _SECOND) * (slopes[index] * slopes[index] - squares[index])
        moved = means[index] / first / (np.sqrt(squares[index] / second) + _LEAST)
        weights[index] -= rate * (moved + decay * weights[index])
        slopes[index] = 0
