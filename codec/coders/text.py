"""Prompt <-> payload: the bytes of its UTF-8, each bit coded under what several contexts predict.

Payload: arithmetic-coded bits that end with a nought byte; or `ESCAPE` and a Brotli stream, for the rare text that
this makes smaller. A cut payload gives the characters that came whole.
"""

import brotli
import numpy as np
from numpy.typing import NDArray

from codec.entropy import (
    LOGISTIC_BOUND,
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
from codec.layers import Semantic
from layercast_errors import BitstreamError, UsageError

#: Longest prompt, in bytes of UTF-8.
MAX_TEXT = 8192

#: First byte of a payload that is a Brotli stream: no other payload starts with it.
ESCAPE = 0xFF

#: A text's end, and the byte that says that the next one is meant as it stands.
_END, _LITERAL = 0, 1

_ORDERS = 6
_CONTEXTS = _ORDERS + 1
_SLOTS = 1 << 16


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
    modelled = _write(text)
    if len(text) > 24:
        packed = bytes([ESCAPE]) + bytes(brotli.compress(text, mode=brotli.MODE_TEXT, quality=11))
        return min(modelled, packed, key=len)
    return modelled


def decode_text(payload: bytes, *, cut: bool = False) -> Semantic:
    """Decode a prompt.

    Args:
        payload: as `encode_text` made it, or the beginning of it.
        cut: whether bytes are missing at the end; then the characters that came whole are given.

    Raises:
        BitstreamError: the text has no end within `MAX_TEXT` bytes, or is no UTF-8.
    """
    text = _unpack(payload[1:], cut=cut) if payload[:1] == bytes([ESCAPE]) else _read(payload, cut=cut)
    try:
        return Semantic(text.decode())
    except UnicodeDecodeError as error:
        if cut and error.end == len(text) and error.reason == "unexpected end of data":
            return Semantic(text[: error.start].decode())
        raise BitstreamError("a text section is not UTF-8") from error


def _write(text: bytes) -> bytes:
    plain = b"".join(bytes([_LITERAL, byte]) if byte <= _LITERAL else bytes([byte]) for byte in text)
    units = np.frombuffer(plain + bytes([_END]), np.uint8).astype(np.int32)
    state, data = start_writing(8 * units.size + 1)
    _run(state, data, units)
    return finish_writing(state, data)


def _read(payload: bytes, *, cut: bool) -> bytes:
    state, data = start_reading(payload, cut=cut)
    units = np.zeros(2 * MAX_TEXT + 1, np.int32)
    count = _run(state, data, units)
    if not cut and (count == units.size and units[-1] != _END):
        raise BitstreamError(f"a text section does not end within {MAX_TEXT} bytes")
    return _unescape(units[:count].astype(np.uint8).tobytes())


def _unescape(units: bytes) -> bytes:
    text = bytearray()
    literal = False
    for unit in units:
        if literal or unit > _LITERAL:
            text.append(unit)
        literal = unit == _LITERAL and not literal
    return bytes(text[:MAX_TEXT])


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
    squash, stretch = logistic_tables()
    odds = np.full((_CONTEXTS, _SLOTS), 32768, np.int32)
    counts = np.zeros((_CONTEXTS, _SLOTS), np.uint8)
    return _code_units(state, data, units, odds, counts, squash, stretch)


@compiled
def _code_units(
    state: NDArray[np.int64],
    data: NDArray[np.uint8],
    units: NDArray[np.int32],
    odds: NDArray[np.int32],
    counts: NDArray[np.uint8],
    squash: NDArray[np.int32],
    stretch: NDArray[np.int32],
) -> int:
    """Code units up to the end mark; return how many came before it, or before the first unsure bit."""
    # An even first bit of which nearly all goes to one side, so that no payload starts with the escape.
    code_bit(state, data, 1, 65280)
    weights = np.full((256, _CONTEXTS), 65536 // 3, np.int32)
    inputs = np.zeros(_CONTEXTS, np.int32)
    slots = np.zeros(_CONTEXTS, np.int64)
    hashes = np.zeros(_CONTEXTS, np.int64)
    literal = False
    for place in range(units.size):
        node = 1
        for bit_place in range(7, -1, -1):
            for index in range(_CONTEXTS):
                mixed_hash = (hashes[index] + node * 0x9E3779B1 & 0x7FFFFFFF) * 0x2545F491 & 0xFFFFFFFF
                slots[index] = (mixed_hash >> 15) & (_SLOTS - 1)
                inputs[index] = stretch[odds[index, slots[index]] >> 4]
            mixed = mix(weights[node], inputs, _CONTEXTS)
            probability = squash[mixed + LOGISTIC_BOUND]
            bit = code_bit(state, data, units[place] >> bit_place & 1, probability)
            learn(weights[node], inputs, _CONTEXTS, (bit << 16) - probability, 6)
            for index in range(_CONTEXTS):
                seen = counts[index, slots[index]]
                odds[index, slots[index]] += ((bit * 65535) - odds[index, slots[index]]) * 2 // (2 * int(seen) + 3)
                counts[index, slots[index]] = min(seen + 1, 30)
            node = node << 1 | bit
        if state[UNSURE]:
            return place
        unit = node & 255
        units[place] = unit
        if unit == _END and not literal:
            return place
        literal = unit == _LITERAL and not literal
        total = 0
        for order in range(1, _ORDERS):
            total = (total + units[max(place - order + 1, 0)] + 1) * 0x2F0B4C47 & 0xFFFFFFFF
            hashes[order] = total + order
        letter = unit | 32
        hashes[_ORDERS] = (hashes[_ORDERS] + letter) * 0x3D4D51CB & 0xFFFFFFFF if 97 <= letter <= 122 else 77
    return units.size
