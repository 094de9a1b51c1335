"""Build the table `text`: the statistics of the text coder (`codec.coders.text.context_model`).

The counts of every context come from all training texts. The probabilities of counts and the mixing weights are learnt
on the same texts; the counts of a text are subtracted while it is used, so that they hold for unseen texts.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from codec.coders.entropy import LOGISTIC_BOUND, compiled, learn, logistic_tables, mix
from codec.coders.text.adaptive import OWN_CONTEXTS, OWN_NEW, OWN_PLACES, OWN_RATES, learn_own, own_place, own_value
from codec.coders.text.context_model import (
    CONTEXTS,
    COUNT_CLASSES,
    TABLE_BITS,
    hash_contexts,
    key_of,
    update_words,
)
from codec.coders.text.payload import BIAS, BYTE_CONTEXTS, INPUTS
from training.data.prompts import is_held_out_prompt

#: Least count of a context in the table, by context: single occurrences of longer contexts are no statistic.
LEAST_COUNT = np.array([1, 1, 2, 2, 2, 3, 2, 3, 2], np.int64)

#: log2 of the slots of the table of counts: ten times the number needed.
_COUNT_BITS = 23

_RATES = (40, 20, 10, 4)


def build(prompts: Iterable[str], others: Iterable[str], seed: int = 0) -> dict[str, NDArray[np.generic]]:
    """Make the table `text`.

    Args:
        prompts: texts to count and to learn from; held-out ones are left out.
        others: texts to count only.
        seed: of the order of learning.
    """
    learnt = [_units(prompt) for prompt in prompts if not is_held_out_prompt(prompt)]
    keys = np.zeros(1 << _COUNT_BITS, np.int64)
    counts = np.zeros((1 << _COUNT_BITS, 2), np.int32)
    contexts = np.zeros(1 << _COUNT_BITS, np.uint8)
    for units in [*learnt, *(_units(text) for text in others)]:
        _count(units, keys, counts, contexts, 1)

    squash, stretch = logistic_tables()
    state_probabilities = _initial_probabilities()
    state_counts = np.zeros(state_probabilities.shape, np.int32)
    by_match = np.full((8 * 8, INPUTS), 65536 // 8, np.int32)
    by_node = np.full((256, INPUTS), 65536 // 8, np.int32)
    random = np.random.default_rng(seed)
    for rate in _RATES:
        bits = 0.0
        for index in random.permutation(len(learnt)):
            _count(learnt[index], keys, counts, contexts, -1)
            own = np.full((OWN_CONTEXTS, OWN_PLACES), OWN_NEW, np.int32)
            mixing = state_probabilities, state_counts, by_match, by_node
            bits += _learn(learnt[index], keys, counts, LEAST_COUNT, *mixing, own, OWN_RATES, squash, stretch, rate)
            _count(learnt[index], keys, counts, contexts, 1)
        print(f"rate {rate}: {bits / sum(units.size for units in learnt):.4f} bits a byte", flush=True)
    checks, states = _place(keys, counts, contexts)
    values = stretch[np.clip(state_probabilities >> 10, 0, 4095)]
    values[:, 0] = 0
    return {
        "checks": checks,
        "states": states,
        "values": values.astype(np.int16),
        "by_match": by_match,
        "by_node": by_node,
    }


def _units(text: str) -> NDArray[np.int32]:
    return np.frombuffer(text.encode() + b"\0", np.uint8).astype(np.int32)


def _initial_probabilities() -> NDArray[np.int32]:
    """Return the initial probability of a one after each state, in 22-bit fixed point."""
    middle = np.append((COUNT_CLASSES[:-1] + COUNT_CLASSES[1:] - 1) / 2, 80.0)
    zeros, ones = np.meshgrid(middle, middle, indexing="ij")
    chance = (ones + 0.2) / (zeros + ones + 0.4)
    return np.tile(np.round(chance.reshape(-1) * (1 << 22)).astype(np.int32), (CONTEXTS, 1))


@compiled
def _slot(keys: NDArray[np.int64], key: int) -> int:
    place = (key * 5 + (key >> 12)) & (keys.size - 1)
    while keys[place] and keys[place] != key + 1:
        place = (place + 1) & (keys.size - 1)
    return place


@compiled
def _count(
    units: NDArray[np.int32],
    keys: NDArray[np.int64],
    counts: NDArray[np.int32],
    contexts: NDArray[np.uint8],
    change: int,
) -> None:
    hashes, words = np.zeros(CONTEXTS, np.int64), np.zeros(3, np.int64)
    for place in range(units.size):
        hash_contexts(units, place, words, hashes)
        node = 1
        for shift in range(7, -1, -1):
            bit = units[place] >> shift & 1
            for index in range(CONTEXTS):
                key = key_of(hashes[index], node)
                slot = _slot(keys, key)
                keys[slot] = key + 1
                contexts[slot] = index
                counts[slot, bit] += change
            node = node << 1 | bit
        update_words(units[place], words)


@compiled
def _state(zeros: int, ones: int) -> int:
    first = second = 0
    for least in range(1, COUNT_CLASSES.size):
        if zeros >= COUNT_CLASSES[least]:
            first = least
        if ones >= COUNT_CLASSES[least]:
            second = least
    return first * COUNT_CLASSES.size + second


@compiled
def _learn(
    units: NDArray[np.int32],
    keys: NDArray[np.int64],
    counts: NDArray[np.int32],
    least: NDArray[np.int64],
    state_probabilities: NDArray[np.int32],
    state_counts: NDArray[np.int32],
    by_match: NDArray[np.int32],
    by_node: NDArray[np.int32],
    own: NDArray[np.int32],
    rates: NDArray[np.int64],
    squash: NDArray[np.int32],
    stretch: NDArray[np.int32],
    rate: int,
) -> float:
    """Learn from one text in coding order; return its cost in bits."""
    cost = 0.0
    inputs = np.zeros(INPUTS, np.int32)
    inputs[INPUTS - 1] = BIAS
    hashes, words = np.zeros(CONTEXTS, np.int64), np.zeros(3, np.int64)
    places, states = np.zeros(OWN_CONTEXTS, np.int64), np.zeros(CONTEXTS, np.int64)
    for place in range(units.size):
        hash_contexts(units, place, words, hashes)
        node = 1
        for shift in range(7, -1, -1):
            bit = units[place] >> shift & 1
            bytes_known = words_known = 0
            for index in range(CONTEXTS):
                key = key_of(hashes[index], node)
                slot = _slot(keys, key)
                zeros, ones = counts[slot, 0], counts[slot, 1]
                known = _state(zeros, ones) if zeros + ones >= least[index] else 0
                states[index] = known
                inputs[index] = stretch[state_probabilities[index, known] >> 10] if known else 0
                if known and index < BYTE_CONTEXTS:
                    bytes_known = index
                elif known:
                    words_known |= 1 << (index - BYTE_CONTEXTS)
                if index:
                    places[index - 1] = own_place(key)
                    inputs[CONTEXTS + index - 1] = own_value(own[index - 1], places[index - 1], stretch)
            match = by_match[bytes_known << 3 | words_known]
            mixed = mix(match, inputs, INPUTS) + mix(by_node[node], inputs, INPUTS)
            probability = squash[max(-LOGISTIC_BOUND, min(LOGISTIC_BOUND, mixed)) + LOGISTIC_BOUND]
            cost -= np.log2((probability if bit else 65536 - probability) / 65536)
            error = (bit << 16) - probability
            learn(match, inputs, INPUTS, error, rate)
            learn(by_node[node], inputs, INPUTS, error, rate // 2)
            for index in range(OWN_CONTEXTS):
                learn_own(own[index], places[index], bit, rates)
            for index in range(CONTEXTS):
                known = states[index]
                if known:
                    count = state_counts[index, known]
                    step = ((bit << 22) - state_probabilities[index, known]) // (count + 1.5)
                    state_probabilities[index, known] += step
                    state_counts[index, known] = min(count + 1, 2000)
            node = node << 1 | bit
        update_words(units[place], words)
    return cost


def _place(
    keys: NDArray[np.int64], counts: NDArray[np.int32], contexts: NDArray[np.uint8]
) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    """Put the states of frequent contexts into the coder's hash table."""
    totals = counts.sum(axis=1)
    kept = np.flatnonzero((keys > 0) & (totals >= LEAST_COUNT[contexts]))
    if len(kept) > (1 << TABLE_BITS) * 0.8:
        raise ValueError(f"{len(kept)} contexts are too many for the table")
    checks, states = np.zeros(1 << TABLE_BITS, np.uint16), np.zeros(1 << TABLE_BITS, np.uint8)
    _fill(keys[kept] - 1, counts[kept], checks, states)
    print(f"{len(kept)} contexts", flush=True)
    return checks, states


@compiled
def _fill(
    keys: NDArray[np.int64], counts: NDArray[np.int32], checks: NDArray[np.uint16], states: NDArray[np.uint8]
) -> None:
    for index in range(keys.size):
        place = keys[index] >> (32 - TABLE_BITS)
        while states[place]:
            place = (place + 1) & (states.size - 1)
        checks[place] = keys[index] & 0xFFFF
        states[place] = _state(counts[index, 0], counts[index, 1])
