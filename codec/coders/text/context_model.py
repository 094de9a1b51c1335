"""What text reminds of: the contexts of its next bit, and what training text had in the same contexts.

A context is some of what came before: the last bytes, or the last words. Hashed together with the bits that are known
of the next byte (its *node*) it finds a *state*: how often, roughly, a zero and a one followed in the training text.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from codec.coders.entropy import compiled
from codec.coders.tables import load_table

#: Orders (numbers of last bytes) of the contexts, then those of words: this word's beginning after the last word (with
#: the mark between them), after the last two, and alone.
ORDERS = (0, 1, 2, 3, 4, 6)
CONTEXTS = len(ORDERS) + 3

#: Length of the longest order.
LONGEST = 6

#: Classes of counts, and the least count of each.
COUNT_CLASSES = np.array([0, 1, 2, 3, 4, 6, 9, 16, 40], np.int64)
STATES = len(COUNT_CLASSES) ** 2

#: log2 of the places of the table of states.
TABLE_BITS = 20

_MASK = 0xFFFFFFFF
_STEP, _FOLD, _WORD, _NODE, _KEY = 0x2F0B4C47, 0x3D4D51CB, 0x2545F491, 0x1B873593, 0x4CF5AD43


@dataclass(frozen=True, slots=True)
class Wording:
    """What training text had.

    Attributes:
        slots: (2**TABLE_BITS,) int32, the check of the key that has this place and, in its lowest 8 bits, the state; 0
            where the place is free.
        values: (CONTEXTS, STATES) int32, the logistic value of a one after each state.
        by_match: (sets, inputs) int32, weights of mixing, by what contexts are known.
        by_node: (256, inputs) int32, weights of mixing, by node.
    """

    slots: NDArray[np.int32]
    values: NDArray[np.int32]
    by_match: NDArray[np.int32]
    by_node: NDArray[np.int32]


@cache
def load_wording() -> Wording:
    """The trained statistics of prompts."""
    table = load_table("text")
    states = np.asarray(table["states"], np.int32)
    return Wording(
        np.where(states > 0, np.asarray(table["checks"], np.int32) << 8 | states, 0).astype(np.int32),
        np.asarray(table["values"], np.int32),
        np.asarray(table["by_match"], np.int32),
        np.asarray(table["by_node"], np.int32),
    )


@compiled
def hash_contexts(units: NDArray[np.int32], place: int, words: NDArray[np.int64], hashes: NDArray[np.int64]) -> None:
    """Hash every context of the unit at `place` into `hashes`; `words` is kept by `enter_unit`."""
    total = index = 0
    for order in range(LONGEST + 1):
        if order:
            unit = units[place - order] if order <= place else 0
            total = (total + unit + 1) * _STEP & _MASK
            total ^= total >> 15
        if order != LONGEST - 1:
            hashes[index] = (total + order) * _FOLD & _MASK
            index += 1
    for back in range(3):
        total = words[0]
        if back < 2:
            total = (total + words[1] * _WORD) & _MASK
        if back == 1:
            total = (total + words[2] * _STEP) & _MASK
        hashes[index] = (total + 16 + back) * _FOLD & _MASK
        index += 1


@compiled
def enter_unit(unit: int, words: NDArray[np.int64]) -> None:
    """Take a unit that came into the words: this one's beginning, the last, the one before it."""
    letter = unit | 32
    if 97 <= letter <= 122 or unit >= 128 or 48 <= unit <= 57:
        words[0] = (words[0] + letter + 1) * _WORD & _MASK
        return
    if words[0]:
        words[2] = words[1]
        words[1] = words[0]
        words[0] = 0
    if unit != 32:
        words[1] = (words[1] * 3 + unit) & _MASK


@compiled
def key_of(hashed: int, node: int) -> int:
    """The 32-bit key of a context's hash and a node."""
    key = ((hashed + node * _NODE) & _MASK) * _KEY & _MASK
    return key ^ key >> 15


@compiled
def find(slots: NDArray[np.int32], key: int) -> int:
    """The state of a key; 0 if training text never had it."""
    place = key >> (32 - TABLE_BITS)
    while slots[place]:
        if slots[place] >> 8 == key & 0xFFFF:
            return int(slots[place] & 255)
        place = (place + 1) & ((1 << TABLE_BITS) - 1)
    return 0
