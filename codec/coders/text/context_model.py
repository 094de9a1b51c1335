"""Context model for text: hashed byte and word contexts, and their statistics in the training text.

A context is the last few bytes or words. Its hash, combined with the known bits of the next byte (the *node*), selects
a *state*: roughly how often a zero and a one followed in the training text.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from codec.coders.entropy import compiled
from codec.coders.tables import load_table

#: Orders (numbers of preceding bytes) of the byte contexts. Three word contexts follow: the beginning of this word
#: after the last word (with the punctuation between them), after the last two words, and alone.
ORDERS = (0, 1, 2, 3, 4, 6)
CONTEXTS = len(ORDERS) + 3

#: The largest order.
LONGEST = 6

#: Lower bounds of the classes of counts.
COUNT_CLASSES = np.array([0, 1, 2, 3, 4, 6, 9, 16, 40], np.int64)
STATES = len(COUNT_CLASSES) ** 2

#: log2 of the number of slots in the table of states.
TABLE_BITS = 20

_MASK = 0xFFFFFFFF
_STEP, _FOLD, _WORD, _NODE, _KEY = 0x2F0B4C47, 0x3D4D51CB, 0x2545F491, 0x1B873593, 0x4CF5AD43


@dataclass(frozen=True, slots=True)
class TextModel:
    """Statistics of the training text.

    Attributes:
        slots: (2**TABLE_BITS,) int32, hash table with linear probing: the check of a key and, in the lowest 8 bits, its
            state; 0 in free slots.
        values: (CONTEXTS, STATES) int32, the logistic value of a one in each state.
        by_match: (sets, inputs) int32, mixing weights by the set of known contexts.
        by_node: (256, inputs) int32, mixing weights by node.
    """

    slots: NDArray[np.int32]
    values: NDArray[np.int32]
    by_match: NDArray[np.int32]
    by_node: NDArray[np.int32]


@cache
def load_text_model() -> TextModel:
    """Load the trained statistics of prompts."""
    table = load_table("text")
    states = np.asarray(table["states"], np.int32)
    return TextModel(
        np.where(states > 0, np.asarray(table["checks"], np.int32) << 8 | states, 0).astype(np.int32),
        np.asarray(table["values"], np.int32),
        np.asarray(table["by_match"], np.int32),
        np.asarray(table["by_node"], np.int32),
    )


@compiled
def hash_contexts(units: NDArray[np.int32], place: int, words: NDArray[np.int64], hashes: NDArray[np.int64]) -> None:
    """Hash every context of the unit at `place` into `hashes`; `update_words` maintains `words`."""
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
def update_words(unit: int, words: NDArray[np.int64]) -> None:
    """Update the hashes of the beginning of this word, of the last word and of the one before with a coded unit."""
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
    """Return the 32-bit key of a context's hash and a node."""
    key = ((hashed + node * _NODE) & _MASK) * _KEY & _MASK
    return key ^ key >> 15


@compiled
def find_state(slots: NDArray[np.int32], key: int) -> int:
    """Return the state of a key; 0 if it does not occur in the training text."""
    place = key >> (32 - TABLE_BITS)
    while slots[place]:
        if slots[place] >> 8 == key & 0xFFFF:
            return int(slots[place] & 255)
        place = (place + 1) & ((1 << TABLE_BITS) - 1)
    return 0
