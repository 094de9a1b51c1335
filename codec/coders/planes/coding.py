"""The coding order of the plane coder. The writer and the reader share this code.

Bit planes are coded from the highest to the lowest. Each bit plane has two passes over all slots. The first pass codes
all coefficients of the leaves that already have a significant coefficient. The second pass finds the leaves that become
significant in this plane, from slots to blocks to leaves, and codes their coefficients.
"""

import numpy as np
from numpy.typing import NDArray

from codec.coders.planes.decisions import PlaneModel, SectionCoder, Trace, decide
from codec.coders.planes.geometry import (
    BLOCK,
    BLOCKS,
    COLUMNS,
    GRID_FIELDS,
    LEAF,
    LEAVES,
    ROWS,
    START,
    STRIDE,
    WHOLE,
)
from codec.coders.planes.sections import stop_before
from codec.coders.planes.views import BLOCK_SET, LEAF_SET, MORE, SIGN, SLOT_SET, ZERO
from codec.compiled import compiled_uncounted

# Numba compiles `decide` once for each literal argument, so its arguments are NumPy numbers here.
_ZERO, _SIGN, _MORE, _LEAF_SET, _BLOCK_SET, _SLOT_SET = (
    np.int64(kind) for kind in (ZERO, SIGN, MORE, LEAF_SET, BLOCK_SET, SLOT_SET)
)
_NONE, _FIRST, _FOURTH = np.int64(-1), np.int64(0), np.int64(4)

_LEAVES, _BLOCKS, _WHOLE = LEAVES * GRID_FIELDS, BLOCKS * GRID_FIELDS, WHOLE * GRID_FIELDS


@compiled_uncounted
def code_planes(
    coder: SectionCoder,
    slots: NDArray[np.int64],
    top: int,
    truth: NDArray[np.int32],
    known: NDArray[np.int32],
    planes: NDArray[np.int8],
    model: PlaneModel,
    trace: Trace,
) -> None:
    """Code all bit planes from `top` down, until the sections are full.

    Args:
        coder: the arithmetic coder to write to or read from.
        slots: slots of the geometry.
        top: the first plane.
        truth: the values to write, a flat array of the geometry: coefficients, rounded towards zero to whole numbers,
            and the largest magnitudes of leaves, blocks and slots. All zero for a reader.
        known: receives the known value of each cell, see `codec.coders.planes.features`.
        planes: receives the last plane at which each cell was coded, or was coded as empty.
        model: predicts the decisions.
        trace: records the decisions for training.
    """
    for plane in range(top, -1, -1):
        stop_before(coder.state, coder.ends, coder.work, plane)
        for full in (True, False):
            for number in range(slots.shape[0]):
                slot = slots[number]
                if full and not known[slot[_WHOLE + START]]:
                    continue
                if not _code_slot(coder, slot, number, plane, full, truth, known, planes, model, trace):
                    return


@compiled_uncounted
def _code_slot(
    coder: SectionCoder,
    slot: NDArray[np.int64],
    number: int,
    plane: int,
    full: bool,
    truth: NDArray[np.int32],
    known: NDArray[np.int32],
    planes: NDArray[np.int8],
    model: PlaneModel,
    trace: Trace,
) -> bool:
    """Code the significant leaves of a slot, or its empty ones if not `full`; return False if there is no room left."""
    whole = slot[_WHOLE + START]
    fresh = not known[whole]
    if fresh:
        bit = truth[whole] >> plane
        bit = decide(coder, slot, number, _SLOT_SET, _FIRST, _FIRST, plane, _FOURTH, _NONE, bit, known, model, trace)
        if bit <= 0:
            planes[whole] = plane if bit == 0 else planes[whole]
            return bit == 0
    rows, columns = slot[_BLOCKS + ROWS], slot[_BLOCKS + COLUMNS]
    found = not fresh
    for row in range(rows):
        for column in range(columns):
            place = slot[_BLOCKS + START] + row * slot[_BLOCKS + STRIDE] + column
            empty = not known[place]
            if empty and full:
                continue
            if empty and (found or row < rows - 1 or column < columns - 1):
                own, asked = 3 if fresh else 2, truth[place] >> plane
                bit = decide(
                    coder, slot, number, _BLOCK_SET, row, column, plane, own, _NONE, asked, known, model, trace
                )
                if bit <= 0:
                    planes[place] = plane if bit == 0 else planes[place]
                    if bit < 0:
                        return False
                    continue
            found = True
            if not _code_block(
                coder, slot, number, row, column, plane, full, empty, truth, known, planes, model, trace
            ):
                return False
            known[whole] = max(known[whole], known[place])
    return True


@compiled_uncounted
def _code_block(
    coder: SectionCoder,
    slot: NDArray[np.int64],
    number: int,
    block_row: int,
    block_column: int,
    plane: int,
    full: bool,
    fresh: bool,
    truth: NDArray[np.int32],
    known: NDArray[np.int32],
    planes: NDArray[np.int8],
    model: PlaneModel,
    trace: Trace,
) -> bool:
    """Code the leaves of a block, like `_code_slot`; return False if there is no room left."""
    block = slot[_BLOCKS + START] + block_row * slot[_BLOCKS + STRIDE] + block_column
    bottom = min(BLOCK * block_row + BLOCK, slot[_LEAVES + ROWS])
    right = min(BLOCK * block_column + BLOCK, slot[_LEAVES + COLUMNS])
    found = not fresh
    for row in range(BLOCK * block_row, bottom):
        for column in range(BLOCK * block_column, right):
            place = slot[_LEAVES + START] + row * slot[_LEAVES + STRIDE] + column
            empty = not known[place]
            if empty == full:
                continue
            if empty and (found or row < bottom - 1 or column < right - 1):
                own, asked = 1 if fresh else 0, truth[place] >> plane
                bit = decide(coder, slot, number, _LEAF_SET, row, column, plane, own, _NONE, asked, known, model, trace)
                if bit <= 0:
                    planes[place] = plane if bit == 0 else planes[place]
                    if bit < 0:
                        return False
                    continue
            found = True
            if not _code_leaf(coder, slot, number, row, column, plane, empty, truth, known, planes, model, trace):
                return False
            known[block] = max(known[block], known[place])
    return True


@compiled_uncounted
def _code_leaf(
    coder: SectionCoder,
    slot: NDArray[np.int64],
    number: int,
    leaf_row: int,
    leaf_column: int,
    plane: int,
    fresh: bool,
    truth: NDArray[np.int32],
    known: NDArray[np.int32],
    planes: NDArray[np.int8],
    model: PlaneModel,
    trace: Trace,
) -> bool:
    """Code one bit plane of the coefficients of a leaf; return False if there is no room left."""
    bottom, right = min(LEAF * leaf_row + LEAF, slot[ROWS]), min(LEAF * leaf_column + LEAF, slot[COLUMNS])
    found = 0
    if not fresh:
        for row in range(LEAF * leaf_row, bottom):
            for column in range(LEAF * leaf_column, right):
                found += 1 if known[slot[START] + row * slot[STRIDE] + column] else 0
    largest = 0
    for row in range(LEAF * leaf_row, bottom):
        for column in range(LEAF * leaf_column, right):
            place = slot[START] + row * slot[STRIDE] + column
            before, true = known[place], truth[place]
            if before:
                # The magnitude in steps of the previous plane.
                size = min(abs(before) >> (plane + 2), 7)
                bit = abs(true) >> plane & 1
                bit = decide(coder, slot, number, _MORE, row, column, plane, size, _NONE, bit, known, model, trace)
                if bit < 0:
                    return False
                size = abs(before) + ((1 if bit else -1) << plane)
                known[place] = size if before > 0 else -size
            else:
                bit = 1
                if found or row < bottom - 1 or column < right - 1:
                    own, asked = (16 if fresh else 0) + (row & 3) * 4 + (column & 3), abs(true) >> plane
                    second = 32 + min(found, 5)
                    bit = decide(
                        coder, slot, number, _ZERO, row, column, plane, own, second, asked, known, model, trace
                    )
                if bit > 0:
                    own = (row & 1) * 2 + (column & 1)
                    bit = 1 if true < 0 else 0
                    bit = decide(coder, slot, number, _SIGN, row, column, plane, own, _NONE, bit, known, model, trace)
                    if bit >= 0:
                        known[place] = (-3 if bit else 3) << plane
                        found += 1
                if bit < 0:
                    return False
            planes[place] = plane
            largest = max(largest, abs(known[place]))
    known[slot[_LEAVES + START] + leaf_row * slot[_LEAVES + STRIDE] + leaf_column] = largest
    return True
