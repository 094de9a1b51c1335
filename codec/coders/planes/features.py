"""The features of a decision of the plane coder, listed from its views, in integer arithmetic only.

The known value of a coefficient is signed: (2 q + 1) * 2^p, with p its last coded plane. The known value of a leaf, a
block or a slot is the largest one of its coefficients. A known value, shifted right by the current plane, counts half
steps: 3 became significant in this plane; 6 became significant in the previous plane and is not refined yet. Each
feature is a class of these counts. Cells without a known value have no feature, so empty surroundings cost no time.
"""

import numpy as np
from numpy.typing import NDArray

from codec.coders.planes.geometry import COLUMNS, GRID_FIELDS, ROWS, Number
from codec.coders.planes.views import (
    AT_PLACE,
    AT_PLANE,
    CLASSES,
    PLANE_FEATURES,
    SIGN,
    VIEW_FROM,
    VIEW_ROW,
    VIEW_SCALE,
    VIEW_START,
    VIEW_STRIDE,
    VIEW_TO,
    Views,
)
from codec.compiled import compiled_uncounted

#: Counts of half steps are clipped to this value.
_MOST_HALVES = 31

#: Class of each count of half steps, from 1; 0 is no feature. First regardless of sign, then of positive values.
_SIZES = [0, 0, 0, 1, 2, 2, 3, 3] + [4] * 4 + [5] * 12 + [6] * 8
_SIGNED = [0, 0, 0, 1, 1, 1] + [2] * 6 + [3] * 20
_CLASS = np.array([_SIZES, _SIZES, _SIGNED, [kind + 3 if kind else 0 for kind in _SIGNED]], np.int64)


@compiled_uncounted
def list_features(
    known: NDArray[np.int32],
    slot: NDArray[np.int64],
    grid: int,
    row: Number,
    column: Number,
    number: int,
    kind: Number,
    plane: int,
    lift: int,
    views: Views,
    active: NDArray[np.int64],
) -> int:
    """List the features of a decision, without its self features, and return their number.

    Args:
        known: flat array of the known values.
        slot: the slot's row of the geometry.
        grid: grid of the decision's cell.
        row: row of the cell in that grid.
        column: column of the cell in that grid.
        number: the slot's number.
        kind: the kind of the decision.
        plane: the bit plane.
        lift: added to the plane so that plane numbers mean the same on canvases of all sizes.
        views: the views of the canvas.
        active: receives the list.
    """
    active[0] = views.slot_feature[number]
    chroma = PLANE_FEATURES // 2 if views.slot_feature[number] % 3 else 0
    active[1] = AT_PLANE + chroma + min(max(plane + lift, 0), PLANE_FEATURES // 2 - 1)
    rows, columns = slot[grid * GRID_FIELDS + ROWS], slot[grid * GRID_FIELDS + COLUMNS]
    level = min(views.slot_feature[number] // 12, 5)
    active[2] = AT_PLACE + level * 16 + 4 * row // rows * 4 + 4 * column // columns
    count = 3
    for index in range(views.ranges[kind, number, 0], views.ranges[kind, number, 1]):
        view = views.views[index]
        scale = view[VIEW_SCALE]
        y = row << scale if scale >= 0 else row >> -scale
        x = column << scale if scale >= 0 else column >> -scale
        start = view[VIEW_START] + y * view[VIEW_STRIDE] + x
        feature = view[VIEW_ROW] - 1
        for place in range(view[VIEW_FROM], view[VIEW_TO]):
            value = known[start + views.places[place]]
            if value:
                sign = (2 if kind == SIGN else 0) + (1 if value < 0 else 0)
                active[count] = feature + _CLASS[sign, min(abs(value) >> plane, _MOST_HALVES)]
                count += 1
            feature += CLASSES
    return count
