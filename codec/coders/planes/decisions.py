"""One decision of the plane coder: list its features, predict its probability, code it, adapt the corrections."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from codec.coders.entropy import LOGISTIC_BOUND
from codec.coders.planes.features import list_features
from codec.coders.planes.geometry import Number
from codec.coders.planes.network import Network, predict
from codec.coders.planes.sections import code_in_section
from codec.coders.planes.views import AT_SELF, NETWORK_OF, Views
from codec.compiled import compiled_uncounted

_GRID = np.array([0, 0, 0, 1, 2, 3], np.int64)
_NETWORK = np.array(NETWORK_OF, np.int64)

#: Number of adaptive corrections of each network: by level, and by range of the network's output.
LEVELS, VALUES = 16, 64


class SectionCoder(NamedTuple):
    """The arithmetic coder and its sections, see `codec.coders.planes.sections`.

    Attributes:
        state: int64, state of the arithmetic coder.
        data: uint8, the payloads of all sections.
        ends: int64 (sections, SECTION_FIELDS), where each section begins and ends.
        work: int64 (WORK_FIELDS,), progress over the sections.
    """

    state: NDArray[np.int64]
    data: NDArray[np.uint8]
    ends: NDArray[np.int64]
    work: NDArray[np.int64]


class PlaneModel(NamedTuple):
    """The predictor of decisions: the networks, their inputs, and their work buffers.

    Attributes:
        networks: the networks of all kinds of decisions.
        views: the views of the canvas.
        lift: int64 (1,), added to plane numbers so that they mean the same on canvases of all sizes.
        squash: int32, the logistic table from `logistic_tables`.
        active: int64, buffer for a list of features.
        sums: int32, buffer for the sums of the first stage.
        hidden: int16, buffer for the clipped sums.
        learnt: int64 (2, corrections), adaptive corrections by level and by range of the network's output, see
            `decide`.
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
    """A record of decisions for training. Empty arrays switch recording off.

    Attributes:
        features: int16, the feature lists of all decisions, concatenated.
        decisions: int32 (decisions, 4): kind, bit, length of the feature list, plane.
        used: int64 (2,), number of entries in use in `decisions` and in `features`.
    """

    features: NDArray[np.int16]
    decisions: NDArray[np.int32]
    used: NDArray[np.int64]


@compiled_uncounted
def decide(
    coder: SectionCoder,
    slot: NDArray[np.int64],
    number: int,
    kind: Number,
    row: Number,
    column: Number,
    plane: int,
    own: Number,
    second: Number,
    bit: int,
    known: NDArray[np.int32],
    model: PlaneModel,
    trace: Trace,
) -> int:
    """Write or read a decision.

    Args:
        coder: the arithmetic coder to write to or read from.
        slot: the slot's row of the geometry.
        number: the slot's number.
        kind: the kind of the decision.
        row: row of the decision's cell in its grid.
        column: column of the decision's cell in its grid.
        plane: the bit plane.
        own: number of a self feature of the decision.
        second: number of a second self feature, or -1.
        bit: the value to write; any value but 0 stands for 1. Ignored by a reader.
        known: flat array of the known values.
        model: predicts the decision and adapts to it.
        trace: records the decision for training.

    Returns:
        The bit, or -1 if there is no room for it.
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
