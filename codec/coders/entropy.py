"""The entropy coder: binary arithmetic coding with mixed predictions, in integers only.

A probability is that of a one bit, in 16-bit fixed point (1 to 65535). Predictions are mixed in the logistic domain,
where a value is ln(p / (1 - p)) in units of 1/256 (M. Mahoney, "Adaptive Weighing of Context Models for Lossless Data
Compression", 2005). The coder is the carry-less range coder of the same author's lpaq, with a 32-bit window.

`code_bit` both writes and reads a bit, so encoder and decoder share one model and cannot differ. Bytes past the end of
a payload read as zeros. If the payload is known to be cut, `UNSURE` is set as soon as the missing bytes could change a
bit; a decoder keeps what it has decoded before.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from codec.compiled import compiled, compiled_uncounted

#: Indices of the fields of a coder's state.
LOW, HIGH, CODE, NEXT, READING, CUT, SLACK, UNSURE, FIELDS = range(9)

#: Bound of logistic values: 11 nats, where a probability reaches the last step of its 16 bits.
LOGISTIC_BOUND = 2815

#: Most zero bytes that are omitted at the end of a payload. A reader that goes further past the end than this plus the
#: window of four bytes does not read a valid payload.
MAX_LEFT_OUT = 12

_WINDOW = 0xFFFFFFFF


@cache
def logistic_tables() -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return tables between logistic values and probabilities, computed without floats: identical on every machine.

    Returns:
        squash: int32, probability of the logistic value `index - LOGISTIC_BOUND`.
        stretch: int32, logistic value of the probability `16 * index`.
    """
    one = 1 << 128
    root, term, count = 0, one, 0
    while term:
        root += term
        count += 1
        term //= 256 * count
    power, powers = one, []
    for _ in range(LOGISTIC_BOUND + 1):
        powers.append(power)
        power = power * root >> 128
    upper = [((power << 17) // (power + one) + 1) >> 1 for power in powers]
    upper = [min(probability, 65535) for probability in upper]
    squash = np.array([65536 - probability for probability in upper[:0:-1]] + upper, np.int32)
    likely = (np.searchsorted(squash, np.arange(2048, 4096) * 16 + 8) - LOGISTIC_BOUND).astype(np.int32)
    return squash, np.concatenate([-likely[::-1], likely])


#: The cost of one bit.
BIT = 256


@cache
def bit_costs() -> NDArray[np.int32]:
    """Return the cost of a bit of probability `16 * index`: (4097,) int32 in 1/256 bits, computed without floats."""
    probability = np.arange(4097, dtype=np.uint64) * 16
    probability[0] = 1
    whole = 16 - np.searchsorted(1 << np.arange(17, dtype=np.uint64), probability, side="right").astype(np.uint64) + 1
    # Squaring a value between one and two gives the fraction of its logarithm bit by bit; 2**31 is one.
    part = probability << (np.uint64(15) + whole)
    fraction = np.zeros(4097, np.int32)
    for _ in range(8):
        part = part * part >> np.uint64(31)
        above = part >> np.uint64(32)
        fraction = 2 * fraction + above.astype(np.int32)
        part >>= above
    return whole.astype(np.int32) * BIT - fraction


def start_writing(bits: int) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return state and buffer of a coder that writes at most `bits` coded bits."""
    state = np.zeros(FIELDS, np.int64)
    state[HIGH] = _WINDOW
    return state, np.zeros(2 * bits + 8, np.uint8)


def finish_writing(state: NDArray[np.int64], data: NDArray[np.uint8]) -> bytes:
    """Return the payload: the written bytes and the fewest bytes that fix the rest, without trailing zeros."""
    low, high = int(state[LOW]), int(state[HIGH])
    for count in range(5):
        rest = _WINDOW >> 8 * count
        value = (low + rest) & ~rest
        if value <= high:
            break
    payload = data[: state[NEXT]].tobytes() + value.to_bytes(4, "big")
    return payload[: max(len(payload.rstrip(b"\0")), len(payload) - MAX_LEFT_OUT)]


def start_reading(payload: bytes, *, cut: bool) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return state and buffer of a coder that reads a payload, or the beginning of one (`cut`)."""
    state = np.zeros(FIELDS, np.int64)
    state[HIGH] = _WINDOW
    state[READING] = 1
    state[CODE] = int.from_bytes(payload[:4].ljust(4, b"\0"), "big")
    state[NEXT] = 4
    state[CUT] = 255 if cut else 0
    state[SLACK] = (1 << 8 * max(0, 4 - len(payload))) - 1 if cut else 0
    return state, np.frombuffer(payload, np.uint8).copy()


@compiled_uncounted
def code_bit(state: NDArray[np.int64], data: NDArray[np.uint8], bit: int, probability: int) -> int:
    """Write `bit`, or read a bit and ignore the argument. Return the bit."""
    low, high = state[LOW], state[HIGH]
    split = low + ((high - low) * probability >> 16)
    if state[READING]:
        bit = 1 if state[CODE] <= split else 0
        if bit and state[CODE] + state[SLACK] > split:
            state[UNSURE] = 1
    if bit:
        high = split
    else:
        low = split + 1
    while (low ^ high) & 0xFF000000 == 0:
        if state[READING]:
            present = state[NEXT] < data.size
            state[CODE] = (state[CODE] & 0xFFFFFF) << 8 | (data[state[NEXT]] if present else 0)
            state[SLACK] = (state[SLACK] & 0xFFFFFF) << 8 | (0 if present else state[CUT])
        else:
            data[state[NEXT]] = low >> 24
        state[NEXT] += 1
        low = (low & 0xFFFFFF) << 8
        high = (high & 0xFFFFFF) << 8 | 255
    state[LOW] = low
    state[HIGH] = high
    return bit


@compiled
def mix(weights: NDArray[np.int32], inputs: NDArray[np.int32], count: int) -> int:
    """Return the logistic value of `count` predictions mixed by their weights (65536 is one)."""
    total = 0
    for index in range(count):
        total += int(weights[index]) * int(inputs[index])
    return max(-LOGISTIC_BOUND, min(LOGISTIC_BOUND, (total + 32768) >> 16))


@compiled
def learn(weights: NDArray[np.int32], inputs: NDArray[np.int32], count: int, error: int, rate: int) -> None:
    """Move the weights down the gradient of the coding cost.

    Args:
        weights: weights of the mixed predictions, updated in place.
        inputs: the predictions.
        count: number of predictions.
        error: 65536 or 0 for the coded bit, minus the predicted probability of a one.
        rate: learning rate; 1 is slow, 20 fast.
    """
    for index in range(count):
        weights[index] += (int(inputs[index]) * error * rate + 131072) >> 18
