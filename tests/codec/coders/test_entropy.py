"""codec.coders.entropy: exact in both directions, close to the entropy, and exact about what a cut payload decides."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from codec.coders import entropy

_Pairs = list[tuple[int, int]]


def _write(pairs: _Pairs) -> bytes:
    state, data = entropy.start_writing(len(pairs))
    for bit, probability in pairs:
        entropy.code_bit(state, data, bit, probability)
    return entropy.finish_writing(state, data)


def _read(payload: bytes, pairs: _Pairs, *, cut: bool = False) -> list[int]:
    state, data = entropy.start_reading(payload, cut=cut)
    bits = []
    for _, probability in pairs:
        bit = int(entropy.code_bit(state, data, 0, probability))
        if state[entropy.UNSURE]:
            break
        bits.append(bit)
    return bits


_bits = st.lists(st.tuples(st.integers(0, 1), st.integers(1, 65535)), max_size=300)


@settings(deadline=None)
@given(_bits)
def test_bits_round_trip(pairs: _Pairs) -> None:
    assert _read(_write(pairs), pairs) == [bit for bit, _ in pairs]


@settings(deadline=None)
@given(_bits, st.data())
def test_a_cut_payload_decodes_to_the_beginning(pairs: _Pairs, data: st.DataObject) -> None:
    payload = _write(pairs)
    kept = data.draw(st.integers(0, len(payload)))
    came = _read(payload[:kept], pairs, cut=True)
    assert came == [bit for bit, _ in pairs[: len(came)]]


def test_a_cut_payload_decodes_to_nearly_all_its_bits() -> None:
    pairs = [(index * 7 % 3 % 2, 32768) for index in range(800)]
    assert len(_read(_write(pairs)[:50], pairs, cut=True)) > 390


def test_cost_is_near_the_entropy() -> None:
    random = np.random.default_rng(5)
    probability = random.integers(1, 65536, 20000)
    bits = (random.integers(0, 65536, 20000) < probability).astype(int)
    bound = -np.log2(np.where(bits, probability, 65536 - probability) / 65536).sum() / 8
    size = len(_write(list(zip(bits.tolist(), probability.tolist(), strict=True))))
    assert bound - 1 < size < bound * 1.001 + 2


def test_likely_bits_cost_nothing() -> None:
    assert _write([(1, 65535)] * 200) == b""


def test_few_zeros_are_omitted() -> None:
    assert _write([(1, 32768)] * 8 * 40) == bytes(32)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=40))
def test_any_bytes_read(payload: bytes) -> None:
    assert len(_read(payload, [(0, 20000)] * 400)) == 400


def test_tables_are_inverse_symmetric_and_pinned() -> None:
    squash, stretch = entropy.logistic_tables()
    assert squash.size == 2 * entropy.LOGISTIC_BOUND + 1
    assert stretch.size == 4096
    assert squash[entropy.LOGISTIC_BOUND] == 32768
    assert (squash + squash[::-1] == 65536).all()
    assert (stretch == -stretch[::-1]).all()
    assert np.abs(squash[stretch + entropy.LOGISTIC_BOUND] - np.arange(4096) * 16 - 8).max() <= 64
    expected = 65536 / (1 + np.exp(-np.arange(-2815, 2816) / 256))
    assert np.abs(squash - expected).max() <= 1


@pytest.mark.parametrize("bit", [0, 1])
def test_mixing_learns_which_prediction_to_trust(bit: int) -> None:
    weights: NDArray[np.int32] = np.full(2, 32768, np.int32)
    squash, _ = entropy.logistic_tables()
    inputs = np.array([300, -300], np.int32) * (1 if bit else -1)
    for _ in range(2000):
        probability = int(squash[entropy.mix(weights, inputs, 2) + entropy.LOGISTIC_BOUND])
        entropy.learn(weights, inputs, 2, (bit << 16) - probability, 6)
    assert weights[0] > weights[1]
    assert abs((bit << 16) - int(squash[entropy.mix(weights, inputs, 2) + entropy.LOGISTIC_BOUND])) < 8000


def test_costs_are_logarithms_of_probabilities() -> None:
    costs = entropy.bit_costs()
    pairs = np.arange(1, 4097) / 4096
    assert costs[1:] == pytest.approx(-np.log2(pairs) * entropy.BIT, abs=1)
    assert costs[0] == 16 * entropy.BIT
