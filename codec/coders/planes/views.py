"""The inputs of the plane coder's networks: the cells of the flat array, and the features that they become.

A decision concerns one cell of a grid. It sees other cells through *views*. A view is a grid and a list of places in
it, relative to the position of the decision's cell. The known value of each place has a class. Each class is a feature,
that is, a row of weights; cells without a known value have no feature.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from codec.coders.planes.geometry import (
    BLOCKS,
    CELLS,
    LEAVES,
    START,
    STRIDE,
    WHOLE,
    Geometry,
    field,
    lay_out,
)

#: Kinds of decisions: significance of a coefficient, its sign (1 is negative), its refinement bits; significance of an
#: empty leaf, block or slot.
ZERO, SIGN, MORE, LEAF_SET, BLOCK_SET, SLOT_SET, KINDS = range(7)

#: Classes of a known value. In decisions about signs, half of the classes belong to each sign.
CLASSES = 6

#: Every decision has one feature of each of these groups: its slot, its plane, its place.
SLOT_FEATURES, PLANE_FEATURES, PLACE_FEATURES = 10 * 4 * 3, 24 * 2, 6 * 16
AT_PLANE = SLOT_FEATURES
AT_PLACE = AT_PLANE + PLANE_FEATURES
AT_SELF = AT_PLACE + PLACE_FEATURES

#: Self features. A decision has one or two of them.
SELF_FEATURES = 40
AT_VIEWS = AT_SELF + SELF_FEATURES

_Places = tuple[tuple[int, int], ...]

_ONE: _Places = ((0, 0),)
_CROSS: _Places = ((0, 0), (0, -1), (0, 1), (-1, 0), (1, 0))
_RING: _Places = ((0, -1), (0, 1), (-1, 0), (1, 0), (-1, -1), (-1, 1), (1, -1), (1, 1))
_SQUARE: _Places = (*_RING, (0, 0))
_WIDE: _Places = (*_RING, (0, -2), (0, 2), (-2, 0), (2, 0))
_WIDEST: _Places = (*_WIDE, (-2, -1), (-2, 1), (2, -1), (2, 1), (-1, -2), (1, -2), (-1, 2), (1, 2))
_FOUR: _Places = ((0, 0), (0, 1), (1, 0), (1, 1))
_AROUND_FOUR: _Places = tuple((down, across) for down in range(-1, 3) for across in range(-1, 3))
_AROUND_LEAF: _Places = (
    *((-1, across) for across in range(4)),
    *((down, -1) for down in range(4)),
    *((4, across) for across in range(4)),
    *((down, 4) for down in range(4)),
)

#: The slot that a view looks at: the decision's own, the next coarser level (below) or finer level (above), one of the
#: other two orientations, or one of the channels.
OWN, BELOW, ABOVE, NEXT, LAST, LUMA, BLUE, RED = range(8)

#: The views of each kind: slot, grid, binary logarithm of the grid's cells per side of the decision's cell, places.
_VIEWS: tuple[tuple[tuple[int, int, int, _Places], ...], ...] = (
    (
        (OWN, CELLS, 0, _WIDEST),
        (BELOW, CELLS, -1, _SQUARE),
        (ABOVE, CELLS, 1, _FOUR),
        (NEXT, CELLS, 0, _CROSS),
        (LAST, CELLS, 0, _CROSS),
        (LUMA, CELLS, 0, _SQUARE),
        (BLUE, CELLS, 0, _SQUARE),
        (RED, CELLS, 0, _ONE),
    ),
    (
        (OWN, CELLS, 0, _WIDE),
        (BELOW, CELLS, -1, _SQUARE),
        (NEXT, CELLS, 0, _SQUARE),
        (LAST, CELLS, 0, _SQUARE),
        (LUMA, CELLS, 0, _SQUARE),
        (BLUE, CELLS, 0, _SQUARE),
    ),
    (
        (OWN, CELLS, 0, _RING),
        (BELOW, CELLS, -1, _CROSS),
        (ABOVE, CELLS, 1, _FOUR),
        (NEXT, CELLS, 0, _ONE),
        (LAST, CELLS, 0, _ONE),
        (LUMA, CELLS, 0, _CROSS),
        (BLUE, CELLS, 0, _ONE),
    ),
    (
        (OWN, LEAVES, 0, _RING),
        (OWN, CELLS, 2, _AROUND_LEAF),
        (BELOW, CELLS, 1, _AROUND_FOUR),
        (ABOVE, LEAVES, 1, _FOUR),
        (NEXT, LEAVES, 0, _CROSS),
        (LAST, LEAVES, 0, _CROSS),
        (LUMA, LEAVES, 0, _CROSS),
        (BLUE, LEAVES, 0, _CROSS),
    ),
    (
        (OWN, BLOCKS, 0, _RING),
        (BELOW, LEAVES, 1, _FOUR),
        (ABOVE, BLOCKS, 1, _FOUR),
        (NEXT, BLOCKS, 0, _CROSS),
        (LAST, BLOCKS, 0, _CROSS),
        (LUMA, BLOCKS, 0, _CROSS),
        (BLUE, BLOCKS, 0, _CROSS),
    ),
    (
        (BELOW, WHOLE, 0, _ONE),
        (ABOVE, WHOLE, 0, _ONE),
        (NEXT, WHOLE, 0, _ONE),
        (LAST, WHOLE, 0, _ONE),
        (LUMA, WHOLE, 0, _ONE),
        (BLUE, WHOLE, 0, _ONE),
    ),
)

#: The network of each kind. The kinds of one network are consecutive.
NETWORK_OF = (0, 1, 2, 3, 3, 3)

#: Maximum number of features of a decision.
MAX_FEATURES = 3 + 2 + max(sum(len(places) for *_, places in views) for views in _VIEWS) + 1

#: Fields of a view: position of the grid's first cell, stride of its rows, binary logarithm of its cells per side of
#: the decision's cell, first place and end in the list of places, first row of weights.
VIEW_START, VIEW_STRIDE, VIEW_SCALE, VIEW_FROM, VIEW_TO, VIEW_ROW, VIEW_FIELDS = range(7)


class Views(NamedTuple):
    """The views of all decisions of a canvas. A named tuple, because compiled functions accept tuples.

    Attributes:
        ranges: int64 (KINDS, slots, 2), first view and end of the views of each kind and slot.
        views: int64 (views, VIEW_FIELDS).
        places: int64, offsets in the flat array.
        slot_feature: int64 (slots,), the feature that identifies the slot.
    """

    ranges: NDArray[np.int64]
    views: NDArray[np.int64]
    places: NDArray[np.int64]
    slot_feature: NDArray[np.int64]


def feature_counts() -> tuple[int, int, int, int]:
    """Return the number of features of each network, in the order of `codec.coders.planes.network.NETWORKS`."""
    counts = [_rows_of(kind)[-1] for kind in range(KINDS)]
    return counts[ZERO], counts[SIGN], counts[MORE], counts[SLOT_SET]


def _rows_of(kind: int) -> list[int]:
    """Return the first row of weights of each view of a kind, and the end of the last view's rows."""
    first = AT_VIEWS
    if kind > LEAF_SET:
        first = _rows_of(kind - 1)[-1]
    rows = [first]
    for *_, places in _VIEWS[kind]:
        rows.append(rows[-1] + CLASSES * len(places))
    return rows


@lru_cache(maxsize=8)
def build_views(canvas: tuple[int, int]) -> Views:
    """Build the views of a canvas of (width, height) pixels."""
    geometry = lay_out(canvas)
    ranges = np.zeros((KINDS, len(geometry.slots), 2), np.int64)
    views: list[list[int]] = []
    places: list[int] = []
    for kind in range(KINDS):
        rows = _rows_of(kind)
        for (channel, level, orientation), number in geometry.numbers.items():
            ranges[kind, number, 0] = len(views)
            for (slot, grid, scale, around), row in zip(_VIEWS[kind], rows, strict=False):
                at = _slot_of(geometry, slot, channel, level, orientation)
                if at is None:
                    continue
                start, stride = (int(geometry.slots[at, field(grid, which)]) for which in (START, STRIDE))
                views.append([start, stride, scale, len(places), len(places) + len(around), row])
                places += [down * stride + across for down, across in around]
            ranges[kind, number, 1] = len(views)
    features = [(min(level, 9) * 4 + orientation) * 3 + channel for channel, level, orientation in geometry.numbers]
    return Views(ranges, np.array(views, np.int64), np.array(places, np.int64), np.array(features, np.int64))


def _slot_of(geometry: Geometry, slot: int, channel: int, level: int, orientation: int) -> int | None:
    """Return the number of the slot that a view looks at, or None if the canvas does not have it."""
    if slot in (NEXT, LAST):
        others: Sequence[int] = [other for other in (1, 2, 3) if other != orientation] if orientation else []
        if not others:
            return None
        return geometry.numbers.get((channel, level, others[slot - NEXT]))
    if slot in (LUMA, BLUE, RED):
        return geometry.numbers.get((slot - LUMA, level, orientation)) if channel != slot - LUMA else None
    step = {OWN: 0, BELOW: -1, ABOVE: 1}[slot]
    return geometry.numbers.get((channel, level + step, orientation))
