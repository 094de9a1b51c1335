"""One code split into sections. Each section is a separate run of the arithmetic coder with a given length in bytes.

A section of n bytes contains as many decisions as n bytes can encode. Before each decision, writer and reader check
that the remaining bytes can encode both outcomes. If they cannot, the section ends and the next one begins. No end
marker is needed.
"""

import numpy as np
from numpy.typing import NDArray

from codec.coders.entropy import CODE, CUT, HIGH, LOW, NEXT, READING, SLACK, UNSURE, code_bit
from codec.compiled import compiled_uncounted

#: Zero bytes between the payloads of the sections in the common array; the coder may read past the end of a payload.
GAP = 8

#: Fields of the progress: number of the current section, number of sections, decisions made, and the limit of
#: decisions.
NUMBER, SECTIONS, MADE, MAX_MADE, WORK_FIELDS = range(5)

#: Fields of a section: begin and end in the data, and the plane before which a writer ends the section (-1: none).
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
    """Write or read a bit, like `code_bit`, in the current section or in the next; return -1 if no section is left.

    Args:
        state: state of the arithmetic coder.
        data: payloads of the sections, `GAP` bytes apart.
        ends: (sections, SECTION_FIELDS), where each section begins and ends.
        work: (WORK_FIELDS,), the progress, see `NUMBER`.
        bit: the bit to write.
        probability: probability of a one, in 1 / 65536.
    """
    if work[MADE] == work[MAX_MADE]:
        return -1
    work[MADE] += 1
    while not _has_room(state, ends[work[NUMBER]], probability):
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
    """Begin a section. A writer places it `GAP` bytes after the previous one."""
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
    """End the writer's section as soon as possible if it must end before this plane."""
    if not state[READING] and plane <= ends[work[NUMBER], STOP]:
        end_soon(state, ends[work[NUMBER]])


@compiled_uncounted
def end_soon(state: NDArray[np.int64], section: NDArray[np.int64]) -> None:
    """Shorten a section to the fewest bytes in which a reader still finds every decision written so far."""
    section[END] = min(section[END], state[NEXT] + 4)


@compiled_uncounted
def close(state: NDArray[np.int64], data: NDArray[np.uint8], section: NDArray[np.int64]) -> None:
    """Write the remaining bytes of a section, up to its end."""
    left = section[END] - state[NEXT]
    rest = _WINDOW >> 8 * min(left, 4)
    value = (state[LOW] + rest) & ~rest
    for index in range(left):
        data[state[NEXT] + index] = value >> (24 - 8 * index) & 255 if index < 4 else 0
    state[NEXT] = section[END]


@compiled_uncounted
def _has_room(state: NDArray[np.int64], section: NDArray[np.int64], probability: int) -> bool:
    """Return True if the rest of the section can encode either outcome of a decision."""
    left = section[END] - state[NEXT] + (4 if state[READING] else 0)
    if left >= 4:
        return True
    low, high = state[LOW], state[HIGH]
    split = low + ((high - low) * probability >> 16)
    return _is_encodable(low, split, left) and split < high and _is_encodable(split + 1, high, left)


@compiled_uncounted
def _is_encodable(low: int, high: int, left: int) -> bool:
    """Return True if some 32-bit number from `low` to `high` has only zeros after its first `left` bytes."""
    rest = _WINDOW >> 8 * left
    return (low + rest) & ~rest <= high
