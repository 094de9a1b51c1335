"""Skeleton <-> payload: for each person the visible points, each as a step from its parent joint.

Payload: a byte (number of people, and whether points are plain), then arithmetic-coded bits. Points lie on a grid of
`GRID` positions along the canvas's long side.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from codec.coders.entropy import UNSURE, code_bit, finish_writing, start_reading, start_writing
from codec.layers import SKELETON_POINTS, Size, Skeleton
from layercast_common.errors import BitstreamError, UsageError

#: Positions along the canvas's long side: 4 pixels apart at 512.
GRID = 128

#: Most people in one skeleton.
MAX_PEOPLE = 63

_PLAIN = 0x80

#: For each point in coding order: the point and its parent (the first point is its own parent).
_PARENTS = (
    (1, 1), (0, 1), (2, 1), (5, 1), (8, 2), (11, 5), (3, 2), (6, 5), (4, 3), (7, 6), (9, 8), (12, 11), (10, 9),
    (13, 12), (14, 0), (15, 0), (16, 14), (17, 15),
)  # fmt: skip

#: Bits of the magnitude of a step. Its contexts: one tree for each of four kinds of limb and both axes.
_BITS = 7
_KINDS = {0: 0, 2: 0, 5: 0, 14: 1, 15: 1, 16: 1, 17: 1, 8: 2, 11: 2}
_LIMB = 3

#: Most coded bits of a person: visibility flags, and per axis a sign, a length class and a remainder.
_PERSON_BITS = SKELETON_POINTS * (1 + 2 * (1 + 8 + 7))

_Point = tuple[int, int] | None
_Coder = Callable[[int, NDArray[np.int32], int], int]


def encode_skeleton(skeleton: Skeleton) -> bytes:
    """Encode people's points, rounded to the grid and clamped to the canvas.

    Raises:
        UsageError: the skeleton has more than `MAX_PEOPLE` people.
    """
    if len(skeleton.people) > MAX_PEOPLE:
        raise UsageError(f"a skeleton has at most {MAX_PEOPLE} people, not {len(skeleton.people)}")
    cell = max(skeleton.canvas) / GRID
    limits = _last_positions(skeleton.canvas)
    people: list[list[_Point]] = [
        [
            None if point is None else (_quantize(point[0], cell, limits[0]), _quantize(point[1], cell, limits[1]))
            for point in person
        ]
        for person in skeleton.people
    ]
    return min((_write(people, plain=plain) for plain in (False, True)), key=len)


def decode_skeleton(payload: bytes, canvas: Size, *, cut: bool = False) -> Skeleton:
    """Decode people's points.

    Args:
        payload: from `encode_skeleton`, or the beginning of one.
        canvas: (width, height) of the picture, in pixels.
        cut: bytes are missing at the end; only people that arrived completely are returned.

    Raises:
        BitstreamError: the payload is empty, or the number of people is out of bounds.
    """
    count = coded_people(payload)
    state, data = start_reading(payload[1:], cut=cut)
    limits = _last_positions(canvas)
    cell = max(canvas) / GRID
    code = _BitCoder(state, data)
    people = []
    for _ in range(count):
        points = _code_person([None] * SKELETON_POINTS, code, plain=bool(payload[0] & _PLAIN))
        if state[UNSURE]:
            break
        people.append(
            tuple(
                None
                if point is None
                else ((min(point[0], limits[0]) + 0.5) * cell, (min(point[1], limits[1]) + 0.5) * cell)
                for point in points
            )
        )
    return Skeleton(tuple(people), canvas)


def coded_people(payload: bytes) -> int:
    """Return the number of people in a payload.

    Raises:
        BitstreamError: the payload is empty, or the number is out of bounds.
    """
    if not payload or payload[0] & ~_PLAIN > MAX_PEOPLE:
        raise BitstreamError("a skeleton section does not start with a number of people")
    return payload[0] & ~_PLAIN


def _last_positions(canvas: Size) -> tuple[int, int]:
    longest = max(canvas)
    return (-(-canvas[0] * GRID // longest) - 1, -(-canvas[1] * GRID // longest) - 1)


def _quantize(value: float, cell: float, limit: int) -> int:
    return int(min(max(value / cell, 0), limit))


def _write(people: list[list[_Point]], *, plain: bool) -> bytes:
    state, data = start_writing(len(people) * _PERSON_BITS)
    code = _BitCoder(state, data)
    for person in people:
        _code_person(person, code, plain=plain)
    return bytes([len(people) | (_PLAIN if plain else 0)]) + finish_writing(state, data)


class _BitCoder:
    """Coder of bits with an adaptive probability for every context."""

    def __init__(self, state: NDArray[np.int64], data: NDArray[np.uint8]) -> None:
        self._state = state
        self._data = data
        self._probabilities: dict[tuple[object, ...], int] = {}

    def code_even(self, bit: int) -> int:
        """Code a bit with probability one half."""
        return int(code_bit(self._state, self._data, bit, 32768))

    def code_adaptive(self, bit: int, first: int, *context: object) -> int:
        """Code a bit. The probability of a one (of 65536) starts at `first` and adapts to the bits of its context."""
        probability = self._probabilities.get(context, first)
        bit = int(code_bit(self._state, self._data, bit, probability))
        self._probabilities[context] = probability + ((65535 * bit - probability) >> 3)
        return bit


def _code_person(points: list[_Point], code: _BitCoder, *, plain: bool) -> list[_Point]:
    """Code one person's points and return them; the values are ignored when reading."""
    result: list[_Point] = [None] * SKELETON_POINTS
    for point, parent in _PARENTS:
        here = points[point]
        if not code.code_adaptive(int(here is not None), 60000, "seen", result[parent] is None and point != parent):
            continue
        base = result[parent]
        x, y = here or (0, 0)
        if plain or base is None:
            result[point] = (_code_plain(x, code), _code_plain(y, code))
        else:
            kind = _KINDS.get(point, _LIMB)
            result[point] = (_code_step(x, base[0], kind, 0, code), _code_step(y, base[1], kind, 1, code))
    return result


def _code_plain(value: int, code: _BitCoder) -> int:
    result = 0
    for place in range(_BITS - 1, -1, -1):
        result |= code.code_even(value >> place & 1) << place
    return result


def _code_step(value: int, base: int, kind: int, axis: int, code: _BitCoder) -> int:
    """Code a step as Elias gamma: length of the magnitude in unary and adaptive, then the other bits and the sign."""
    size = abs(value - base).bit_length()
    length = 0
    while length < _BITS and code.code_adaptive(int(length < size), 45000, "length", kind, axis, length):
        length += 1
    if not length:
        return base
    magnitude = 1
    for place in range(length - 2, -1, -1):
        bit = abs(value - base) >> place & 1
        bit = code.code_even(bit) if place < length - 2 else code.code_adaptive(bit, 26000, "top", kind, axis, length)
        magnitude = magnitude << 1 | bit
    negative = code.code_adaptive(int(value < base), 32768, "sign", kind, axis)
    return min(max(base - magnitude if negative else base + magnitude, 0), GRID - 1)
