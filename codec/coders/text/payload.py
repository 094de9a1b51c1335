"""Prompt <-> payload: the bytes of its UTF-8, each bit coded under what several contexts predict.

Payload: arithmetic-coded bits that end with a nought byte; or `ESCAPE` and a Brotli stream, for the rare text that
this makes smaller. A cut payload gives the characters that came whole.
"""

import brotli
import numpy as np
from numpy.typing import NDArray

from codec.coders.entropy import (
    LOGISTIC_BOUND,
    MAX_LEFT_OUT,
    NEXT,
    READING,
    UNSURE,
    code_bit,
    compiled,
    finish_writing,
    learn,
    logistic_tables,
    mix,
    start_reading,
    start_writing,
)
from codec.coders.text.context_model import CONTEXTS, ORDERS, enter_unit, find, hash_contexts, key_of, load_wording
from codec.layers import Semantic
from layercast_common.errors import BitstreamError, UsageError

#: Longest prompt, in bytes of UTF-8.
MAX_TEXT = 8192

#: Most units of a text that is modelled: its bytes, those of 0 and 1 twice. Longer ones go as Brotli streams.
MAX_UNITS = 4096

#: First byte of a payload that is a Brotli stream: no other payload starts with it.
ESCAPE = 0xFF

#: A text's end, and the byte that says that the next one is meant as it stands.
_END, _LITERAL = 0, 1

#: Contexts whose statistics within this very text are used, too: all but that of nothing.
OWN_CONTEXTS = CONTEXTS - 1
OWN_PLACES = 1 << 14

#: A statistic of this very text before it has any: a chance of one half (16 bits), and how often it was met (8 bits).
OWN_NEW = 32768 << 8

#: How far such a chance moves towards the bit that came, of 65536, by how often it was met before.
OWN_RATES = np.array([65536 * 5 // (5 * min(met, 20) + 8) for met in range(256)], np.int64)

#: Bounds of such a chance.
OWN_LEAST, OWN_MOST = 600, 64936

#: Inputs of the mixer: training text, this text, and one that never changes.
INPUTS = CONTEXTS + OWN_CONTEXTS + 1
BIAS = 77
BYTE_CONTEXTS = len(ORDERS)


def encode_text(semantic: Semantic) -> bytes:
    """Code a prompt, which may hold any Unicode that UTF-8 can hold.

    Raises:
        UsageError: it is longer than `MAX_TEXT` bytes, or holds lone surrogates.
    """
    try:
        text = semantic.prompt.encode()
    except UnicodeEncodeError as error:
        raise UsageError("the prompt holds half a surrogate pair, which is no character") from error
    if len(text) > MAX_TEXT:
        raise UsageError(f"a prompt has at most {MAX_TEXT} bytes, not {len(text)}")
    packed = bytes([ESCAPE]) + bytes(brotli.compress(text, mode=brotli.MODE_TEXT, quality=11))
    units = _units(text)
    return min(_write(units), packed, key=len) if len(units) <= MAX_UNITS else packed


def decode_text(payload: bytes, *, cut: bool = False, most: int = MAX_UNITS) -> Semantic:
    """Decode a prompt.

    Args:
        payload: as `encode_text` made it, or the beginning of it.
        cut: whether bytes are missing at the end; then the characters that came whole are given.
        most: how many units may be modelled.

    Raises:
        BitstreamError: the text has no end within `MAX_TEXT` bytes or `most` units, or is no UTF-8.
    """
    text = _read(payload, min(most, MAX_UNITS), cut=cut) if _is_modelled(payload) else _unpack(payload[1:], cut=cut)
    try:
        return Semantic(text.decode())
    except UnicodeDecodeError as error:
        if cut and error.end == len(text) and error.reason == "unexpected end of data":
            return Semantic(text[: error.start].decode())
        raise BitstreamError("a text section is not UTF-8") from error


def unit_count(payload: bytes, semantic: Semantic) -> int:
    """How many units a payload codes, which gives this prompt: none if it is a Brotli stream."""
    return len(_units(semantic.prompt.encode())) if _is_modelled(payload) else 0


def _is_modelled(payload: bytes) -> bool:
    return payload[:1] != bytes([ESCAPE])


def _units(text: bytes) -> bytes:
    """A text's units: bytes, of which the two that mean something else are marked."""
    return b"".join(bytes([_LITERAL, byte]) if byte <= _LITERAL else bytes([byte]) for byte in text)


def _write(plain: bytes) -> bytes:
    units = np.frombuffer(plain + bytes([_END]), np.uint8).astype(np.int32)
    state, data = start_writing(8 * units.size + 1)
    _run(state, data, units)
    return finish_writing(state, data)


def _read(payload: bytes, most: int, *, cut: bool) -> bytes:
    state, data = start_reading(payload, cut=cut)
    units = np.zeros(most + 1, np.int32)
    count = _run(state, data, units)
    if count < 0:
        raise BitstreamError("a text section has no end")
    return _unescape(units[:count].astype(np.uint8).tobytes())


def _unescape(units: bytes) -> bytes:
    text = bytearray()
    literal = False
    for unit in units:
        if literal or unit > _LITERAL:
            text.append(unit)
        literal = unit == _LITERAL and not literal
    return bytes(text)


def _unpack(packed: bytes, *, cut: bool) -> bytes:
    stream = brotli.Decompressor()
    try:
        text = bytes(stream.process(packed, output_buffer_limit=MAX_TEXT + 1))
    except brotli.error as error:
        raise BitstreamError("a text section holds a broken Brotli stream") from error
    if len(text) > MAX_TEXT or not (cut or stream.is_finished()):
        raise BitstreamError(f"a text section does not end within {MAX_TEXT} bytes")
    return text


def _run(state: NDArray[np.int64], data: NDArray[np.uint8], units: NDArray[np.int32]) -> int:
    wording = load_wording()
    squash, stretch = logistic_tables()
    count = _code_units(
        state,
        data,
        units,
        wording.slots,
        wording.values,
        wording.by_match.copy(),
        wording.by_node.copy(),
        np.full((OWN_CONTEXTS, OWN_PLACES), OWN_NEW, np.int32),
        OWN_RATES,
        squash,
        stretch,
    )
    return int(count)


@compiled
def own_place(key: int) -> int:
    """Where this text's own statistics of a key are kept."""
    return (key >> 9) & (OWN_PLACES - 1)


@compiled
def own_value(own: NDArray[np.int32], place: int, stretch: NDArray[np.int32]) -> int:
    """What a context of this very text predicts: nothing if it was not met before."""
    return stretch[own[place] >> 12] if own[place] & 255 else 0


@compiled
def learn_own(own: NDArray[np.int32], place: int, bit: int, rates: NDArray[np.int64]) -> None:
    """Move the chance of a one after a context of this very text: far at first, then ever less."""
    chance, met = int(own[place] >> 8), int(own[place] & 255)
    chance += (bit * 65535 - chance) * rates[met] >> 16
    chance = min(max(chance, OWN_LEAST), OWN_MOST)
    own[place] = chance << 8 | min(met + 1, 255)


@compiled
def _code_units(
    state: NDArray[np.int64],
    data: NDArray[np.uint8],
    units: NDArray[np.int32],
    slots: NDArray[np.int32],
    values: NDArray[np.int32],
    by_match: NDArray[np.int32],
    by_node: NDArray[np.int32],
    own: NDArray[np.int32],
    rates: NDArray[np.int64],
    squash: NDArray[np.int32],
    stretch: NDArray[np.int32],
) -> int:
    """Code units up to the end mark; return how many came before it, or before the first unsure bit; -1: no end."""
    # A first bit that takes nearly all of the range, so that no payload starts with the escape.
    code_bit(state, data, 1, 65280)
    inputs = np.zeros(INPUTS, np.int32)
    inputs[INPUTS - 1] = BIAS
    hashes = np.zeros(CONTEXTS, np.int64)
    places = np.zeros(OWN_CONTEXTS, np.int64)
    words = np.zeros(3, np.int64)
    alive = np.zeros(CONTEXTS, np.bool_)
    literal = False
    for place in range(units.size):
        hash_contexts(units, place, words, hashes)
        alive[:] = True
        node = 1
        for shift in range(7, -1, -1):
            bytes_known = words_known = 0
            for index in range(CONTEXTS):
                key = key_of(hashes[index], node)
                # What training text never had it has with no further bit either: this spares most of the looking.
                known = find(slots, key) if alive[index] else 0
                alive[index] = known > 0
                inputs[index] = values[index, known]
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
            bit = code_bit(state, data, units[place] >> shift & 1, probability)
            error = (bit << 16) - probability
            learn(match, inputs, INPUTS, error, 3)
            learn(by_node[node], inputs, INPUTS, error, 2)
            for index in range(OWN_CONTEXTS):
                learn_own(own[index], places[index], bit, rates)
            node = node << 1 | bit
        unit = node & 255
        units[place] = unit
        if state[UNSURE] or (unit == _END and not literal):
            return place
        if state[READING] and state[NEXT] > data.size + MAX_LEFT_OUT + 4:
            break
        literal = unit == _LITERAL and not literal
        enter_unit(unit, words)
    return -1
