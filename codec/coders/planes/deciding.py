"""One decision of the plane coder: what is seen, what is likely, what it is, what is learnt from it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from codec.coders.entropy import LOGISTIC_BOUND
from codec.coders.planes.features import list_features
from codec.coders.planes.network import Network, predict
from codec.coders.planes.sections import code_in_section
from codec.coders.planes.views import AT_SELF, NETWORK_OF, Views
from codec.compiled import compiled_uncounted

_GRID = np.array([0, 0, 0, 1, 2, 3], np.int64)
_NETWORK = np.array(NETWORK_OF, np.int64)


#: Corrections of each network: of levels, and of ranges of what it says.
LEVELS, VALUES = 16, 64


class Coder(NamedTuple):
    """The arithmetic coder with its sections, see `codec.coders.planes.sections`."""

    state: NDArray[np.int64]
    data: NDArray[np.uint8]
    ends: NDArray[np.int64]
    work: NDArray[np.int64]


class Model(NamedTuple):
    """What predicts: the networks, what they see, and room for their work.

    Attributes:
        networks: of the kinds.
        views: of the canvas.
        lift: int64 (1,), what is added to planes, so that they mean the same on canvases of all sizes.
        squash: int32, from `logistic_tables`.
        active: int64, room for a list of features.
        sums: int32, room for the first stage.
        hidden: int16, room for it clipped.
        learnt: int64 (2, LEARNT), corrections by slot kind and by what the networks say, see `decide`.
    """

    networks: Network
    views: Views
    lift: NDArray[np.int64]
    squash: NDArray[np.int32]
    active: NDArray[np.int64]
    sums: NDArray[np.int32]
    hidden: NDArray[np.int16]
    learnt: NDArray[np.int64]


class Trace(NamedTuple):
    """Decisions as training wants to see them; of no length where nobody does.

    Attributes:
        features: int16, the lists one after the other.
        decisions: int32 (decisions, 4): kind, bit, length of the list, plane.
        used: int64 (2,), how much of decisions and of features is used.
    """

    features: NDArray[np.int16]
    decisions: NDArray[np.int32]
    used: NDArray[np.int64]


@compiled_uncounted
def decide(
    coder: Coder,
    slot: NDArray[np.int64],
    number: int,
    kind: int,
    row: int,
    column: int,
    plane: int,
    own: int,
    second: int,
    bit: int,
    known: NDArray[np.int32],
    model: Model,
    trace: Trace,
) -> int:
    """Write or read a decision.

    Args:
        coder: where to.
        slot: a row of the geometry.
        number: of the slot.
        kind: of the decision.
        row: of the cell that it is about, in its grid.
        column: of the cell that it is about, in its grid.
        plane: the bit plane.
        own: number of a feature of itself.
        second: of another, or -1.
        bit: what it is, for a writer: anything but 0 stands for 1.
        known: flat array of what is known.
        model: what predicts.
        trace: takes what training wants to see.

    Returns:
        The bit; -1 if there is no room for it.
    """
    active = model.active
    count = list_features(
        known, slot, _GRID[kind], row, column, number, kind, plane, model.lift[0], model.views, active
    )
    active[count] = AT_SELF + own
    active[count + 1] = AT_SELF + second
    count += 1 if second < 0 else 2
    network = _NETWORK[kind]
    value = predict(active, count, model.networks, network, model.sums, model.hidden)
    by_level = network * LEVELS + active[0] // 12
    by_value = network * VALUES + ((value + LOGISTIC_BOUND) >> 7)
    value += (model.learnt[0, by_level] + model.learnt[1, by_value]) >> 8
    value = max(-LOGISTIC_BOUND, min(LOGISTIC_BOUND, value))
    probability = model.squash[value + LOGISTIC_BOUND]
    bit = code_in_section(coder.state, coder.data, coder.ends, coder.work, 1 if bit else 0, probability)
    if bit >= 0:
        error = (bit << 16) - probability
        model.learnt[0, by_level] += error >> 6
        model.learnt[1, by_value] += error >> 6
    if trace.decisions.size and bit >= 0:
        trace.decisions[trace.used[0]] = (kind, bit, count, plane)
        trace.used[0] += 1
        for index in range(count):
            trace.features[trace.used[1] + index] = active[index]
        trace.used[1] += count
    return bit
