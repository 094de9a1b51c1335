"""The features of a decision of the plane coder, listed from its views, in integers only.

What is known of a coefficient is kept signed, as (2 q + 1) * 2^p with its last plane p, and of a leaf, a block or a
slot as the largest of its coefficients. Shifted by the plane that is being coded it counts half steps: 3 has just
become significant, 6 did in the plane before and is not refined yet. Features are classes of these counts; nothing
known is no feature, so that empty surroundings cost no time.
"""

import numpy as np
from numpy.typing import NDArray

from codec.coders.planes.geometry import COLUMNS, GRID_FIELDS, ROWS
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

#: Half steps from which on all are of one class.
_MOST_HALVES = 31

#: The classes of so many half steps, less one, 0 being no feature: without regard to sign, and positive ones with.
_SIZES = [0, 0, 0, 1, 2, 2, 3, 3] + [4] * 4 + [5] * 12 + [6] * 8
_SIGNED = [0, 0, 0, 1, 1, 1] + [2] * 6 + [3] * 20
_CLASS = np.array([_SIZES, _SIZES, _SIGNED, [kind + 3 if kind else 0 for kind in _SIGNED]], np.int64)


@compiled_uncounted
def list_features(
    known: NDArray[np.int32],
    slot: NDArray[np.int64],
    grid: int,
    row: int,
    column: int,
    number: int,
    kind: int,
    plane: int,
    lift: int,
    views: Views,
    active: NDArray[np.int64],
) -> int:
    """List the features of a decision, but for those of itself, and return how many they are.

    Args:
        known: flat array of what is known.
        slot: a row of the geometry.
        grid: of the cell that it is about.
        row: of the cell.
        column: of the cell.
        number: of the slot.
        kind: of the decision.
        plane: the bit plane.
        lift: what is added to it, so that planes mean the same on canvases of all sizes.
        views: of the canvas.
        active: room for the list.
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
