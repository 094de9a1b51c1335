"""Statistics of the current text: an adaptive probability for every context that occurred in it."""

import numpy as np
from numpy.typing import NDArray

from codec.coders.entropy import compiled
from codec.coders.text.context_model import CONTEXTS

#: Contexts that also have statistics of the current text: all but the empty context.
OWN_CONTEXTS = CONTEXTS - 1
OWN_PLACES = 1 << 14

#: Initial statistic of the current text: a probability of one half (16 bits) and the number of occurrences (8 bits).
OWN_NEW = 32768 << 8

#: Step of such a probability towards the coded bit, of 65536, by the number of occurrences.
OWN_RATES = np.array([65536 * 5 // (5 * min(met, 20) + 8) for met in range(256)], np.int64)

#: Bounds of such a probability.
OWN_LEAST, OWN_MOST = 600, 64936


@compiled
def own_place(key: int) -> int:
    """Return the index of a key's statistic in the current text."""
    return (key >> 9) & (OWN_PLACES - 1)


@compiled
def own_value(own: NDArray[np.int32], place: int, stretch: NDArray[np.int32]) -> int:
    """Return the logistic value that the current text predicts in a context; 0 on its first occurrence."""
    return stretch[own[place] >> 12] if own[place] & 255 else 0


@compiled
def learn_own(own: NDArray[np.int32], place: int, bit: int, rates: NDArray[np.int64]) -> None:
    """Move the probability of a one in a context of the current text: in large steps first, then in smaller ones."""
    probability, met = int(own[place] >> 8), int(own[place] & 255)
    probability += (bit * 65535 - probability) * rates[met] >> 16
    probability = min(max(probability, OWN_LEAST), OWN_MOST)
    own[place] = probability << 8 | min(met + 1, 255)
