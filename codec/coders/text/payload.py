"""Prompt <-> payload: the bytes of its UTF-8, each bit coded with the mixed predictions of several contexts.

Payload: arithmetic-coded bits that end with a zero byte; or `ESCAPE` and a Brotli stream, if that is smaller (rare). A
cut payload decodes to the characters that arrived completely.
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
from codec.coders.text.adaptive import OWN_CONTEXTS, OWN_NEW, OWN_PLACES, OWN_RATES, learn_own, own_place, own_value
from codec.coders.text.context_model import (
    CONTEXTS,
    ORDERS,
    find_state,
    hash_contexts,
    key_of,
    load_text_model,
    update_words,
)
from codec.layers import Semantic
from layercast_common.errors import BitstreamError, UsageError

#: Longest prompt, in bytes of UTF-8.
MAX_TEXT = 8192

#: Most units of a modelled text: its bytes, where 0 and 1 count twice. Longer texts are sent as Brotli streams.
MAX_UNITS = 4096

#: First byte of a Brotli payload; no other payload starts with it.
ESCAPE = 0xFF

#: The end mark, and the escape before a literal 0 or 1.
_END, _LITERAL = 0, 1

#: Inputs of the mixer: training text, current text, and a constant.
INPUTS = CONTEXTS + OWN_CONTEXTS + 1
BIAS = 77
BYTE_CONTEXTS = len(ORDERS)


def encode_text(semantic: Semantic) -> bytes:
    """Encode a prompt: any Unicode text that UTF-8 can represent.

    Raises:
        UsageError: the prompt is longer than `MAX_TEXT` bytes, or contains lone surrogates.
    """
    try:
        text = semantic.prompt.encode()
    except UnicodeEncodeError as error:
        raise UsageError("the prompt contains half a surrogate pair, which is not a character") from error
    if len(text) > MAX_TEXT:
        raise UsageError(f"a prompt has at most {MAX_TEXT} bytes, not {len(text)}")
    packed = bytes([ESCAPE]) + bytes(brotli.compress(text, mode=brotli.MODE_TEXT, quality=11))
    units = _escape(text)
    return min(_write(units), packed, key=len) if len(units) <= MAX_UNITS else packed


def decode_text(payload: bytes, *, cut: bool = False, limit: int = MAX_UNITS) -> Semantic:
    """Decode a prompt.

    Args:
        payload: from `encode_text`, or the beginning of one.
        cut: bytes are missing at the end; only characters that arrived completely are returned.
        limit: largest allowed number of modelled units.

    Raises:
        BitstreamError: the text does not end within `MAX_TEXT` bytes or `limit` units, or is not UTF-8.
    """
    text = _read(payload, min(limit, MAX_UNITS), cut=cut) if _is_modelled(payload) else _unpack(payload[1:], cut=cut)
    try:
        return Semantic(text.decode())
    except UnicodeDecodeError as error:
        if cut and error.end == len(text) and error.reason == "unexpected end of data":
            return Semantic(text[: error.start].decode())
        raise BitstreamError("a text section is not UTF-8") from error


def unit_count(payload: bytes, semantic: Semantic) -> int:
    """Return the number of modelled units in a payload that decodes to this prompt; 0 for a Brotli stream."""
    return len(_escape(semantic.prompt.encode())) if _is_modelled(payload) else 0


def _is_modelled(payload: bytes) -> bool:
    return payload[:1] != bytes([ESCAPE])


def _escape(text: bytes) -> bytes:
    """Return a text's units: its bytes, with an escape before each 0 and 1."""
    return b"".join(bytes([_LITERAL, byte]) if byte <= _LITERAL else bytes([byte]) for byte in text)


def _write(plain: bytes) -> bytes:
    units = np.frombuffer(plain + bytes([_END]), np.uint8).astype(np.int32)
    state, data = start_writing(8 * units.size + 1)
    _code(state, data, units)
    return finish_writing(state, data)


def _read(payload: bytes, limit: int, *, cut: bool) -> bytes:
    state, data = start_reading(payload, cut=cut)
    units = np.zeros(limit + 1, np.int32)
    count = _code(state, data, units)
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


def _code(state: NDArray[np.int64], data: NDArray[np.uint8], units: NDArray[np.int32]) -> int:
    model = load_text_model()
    squash, stretch = logistic_tables()
    count = _code_units(
        state,
        data,
        units,
        model.slots,
        model.values,
        model.by_match.copy(),
        model.by_node.copy(),
        np.full((OWN_CONTEXTS, OWN_PLACES), OWN_NEW, np.int32),
        OWN_RATES,
        squash,
        stretch,
    )
    return int(count)


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
    """Code units up to the end mark. Return the number before the mark or the first unsure bit; -1 without an end."""
    # The first bit takes nearly the whole range, so no payload starts with the escape byte.
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
                # A context that is unknown at one bit is unknown at all later bits, which saves most look-ups.
                known = find_state(slots, key) if alive[index] else 0
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
        update_words(unit, words)
    return -1
