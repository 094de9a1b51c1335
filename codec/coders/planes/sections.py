"""Decisions of one code that is spread over sections: each is a run of the arithmetic coder of a given length.

A section of n bytes has all decisions that n bytes can tell, whatever comes of them: before each decision both sides
see whether its two outcomes could still be told, and if not the section has ended. So no byte tells where it ends.
"""

import numpy as np
from numpy.typing import NDArray

from codec.coders.entropy import CODE, CUT, HIGH, LOW, NEXT, READING, SLACK, UNSURE, code_bit
from codec.compiled import compiled_uncounted

#: Zeros between the payloads of sections in the array of all, where bytes past a payload's end are read.
GAP = 8

#: Fields of what is known of the sections: the number of the one that is worked on, how many there are, how many
#: decisions were made, and how many there may be.
NUMBER, SECTIONS, MADE, MOST_MADE, WORK_FIELDS = range(5)

#: Fields of a section: where it begins and ends in the data; a writer ends it before this plane; -1 for no such.
BEGIN, END, STOP, SECTION_FIELDS = range(4)

_WINDOW = 0xFFFFFFFF


@compiled_uncounted
def code_in_section(
    state: NDArray[np.int64],
    data: NDArray[np.uint8],
    ends: NDArray[np.int64],
    work: NDArray[np.int64],
    bit: int,
    probability: int,
) -> int:
    """Write or read a bit, like `code_bit`, in this section or in the next; -1 if there is none.

    Args:
        state: of the arithmetic coder.
        data: payloads of the sections, `GAP` bytes apart.
        ends: (sections, SECTION_FIELDS), where each begins and ends.
        work: see `NUMBER`.
        bit: to write.
        probability: of a one.
    """
    if work[MADE] == work[MOST_MADE]:
        return -1
    work[MADE] += 1
    while not _is_room(state, ends[work[NUMBER]], probability):
        if not state[READING]:
            close(state, data, ends[work[NUMBER]])
        work[NUMBER] += 1
        if work[NUMBER] == work[SECTIONS]:
            return -1
        begin(state, data, ends, work[NUMBER])
    bit = code_bit(state, data, bit, probability)
    return -1 if state[UNSURE] else bit


@compiled_uncounted
def begin(state: NDArray[np.int64], data: NDArray[np.uint8], ends: NDArray[np.int64], number: int) -> None:
    """Begin a section; a writer's follows `GAP` bytes after the one before it."""
    state[LOW] = 0
    state[HIGH] = _WINDOW
    if not state[READING]:
        if number:
            ends[number, END] += ends[number - 1, END] + GAP - ends[number, BEGIN]
            ends[number, BEGIN] = ends[number - 1, END] + GAP
        state[NEXT] = ends[number, BEGIN]
        return
    start = ends[number, BEGIN]
    state[CODE] = 0
    state[SLACK] = 0
    for index in range(start, start + 4):
        came = index < data.size
        state[CODE] = state[CODE] << 8 | (data[index] if came else 0)
        state[SLACK] = state[SLACK] << 8 | (0 if came else state[CUT])
    state[NEXT] = start + 4


@compiled_uncounted
def stop_before(state: NDArray[np.int64], ends: NDArray[np.int64], work: NDArray[np.int64], plane: int) -> None:
    """Let a writer's section end here, as far as it can, if it is to end before this plane."""
    if not state[READING] and plane <= ends[work[NUMBER], STOP]:
        end_soon(state, ends[work[NUMBER]])


@compiled_uncounted
def end_soon(state: NDArray[np.int64], section: NDArray[np.int64]) -> None:
    """Give a section the fewest bytes in which a reader finds room for all that was written so far."""
    section[END] = min(section[END], state[NEXT] + 4)


@compiled_uncounted
def close(state: NDArray[np.int64], data: NDArray[np.uint8], section: NDArray[np.int64]) -> None:
    """Write the last bytes of a section, up to its end."""
    left = section[END] - state[NEXT]
    rest = _WINDOW >> 8 * min(left, 4)
    value = (state[LOW] + rest) & ~rest
    for index in range(left):
        data[state[NEXT] + index] = value >> (24 - 8 * index) & 255 if index < 4 else 0
    state[NEXT] = section[END]


@compiled_uncounted
def _is_room(state: NDArray[np.int64], section: NDArray[np.int64], probability: int) -> bool:
    """Whether both outcomes of a decision can be told before the section's end."""
    left = section[END] - state[NEXT] + (4 if state[READING] else 0)
    if left >= 4:
        return True
    low, high = state[LOW], state[HIGH]
    split = low + ((high - low) * probability >> 16)
    return _is_told(low, split, left) and split < high and _is_told(split + 1, high, left)


@compiled_uncounted
def _is_told(low: int, high: int, left: int) -> bool:
    """Whether some number from `low` to `high` has zeros behind its first `left` bytes of four."""
    rest = _WINDOW >> 8 * left
    return (low + rest) & ~rest <= high
