"""Pictures <-> payloads of the plane coder.

A picture's code is one sequence of decisions, from its mean to its last detail. Sections are consecutive parts of it:
a payload is nothing but arithmetic-coded bits, of any length, and tells all decisions that as many bytes can. Any
beginning decodes.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from codec.coders.entropy import CUT, FIELDS, READING, logistic_tables
from codec.coders.planes.coding import code_planes
from codec.coders.planes.deciding import LEVELS, VALUES, Coder, Model, Trace
from codec.coders.planes.filling import fill, spread
from codec.coders.planes.geometry import Geometry, lay_out
from codec.coders.planes.network import NETWORKS, SPARE, load_networks
from codec.coders.planes.sections import (
    BEGIN,
    END,
    GAP,
    MOST_MADE,
    NUMBER,
    SECTION_FIELDS,
    SECTIONS,
    STOP,
    WORK_FIELDS,
    begin,
    close,
    end_soon,
)
from codec.coders.planes.views import MOST, look_around
from codec.wavelet.plane import Plane
from codec.wavelet.transform import forward, to_channels
from layercast_common.errors import BitstreamError, UsageError

#: Most pixels of a canvas, most bytes of all payloads of a picture, and most decisions.
MOST_PIXELS, MOST_BYTES, MOST_DECISIONS = 1 << 20, 1 << 16, 160_000

#: For a code that training does not look at.
NO_TRACE = Trace(np.zeros(0, np.int16), np.zeros((0, 4), np.int32), np.zeros(2, np.int64))


def encode_planes(
    coefficients: NDArray[np.float32],
    canvas: tuple[int, int],
    budgets: Sequence[int],
    stops: Sequence[int] = (),
) -> list[bytes]:
    """Code coefficients.

    Args:
        coefficients: (3, H, W) float32, from `to_coefficients`.
        canvas: (width, height) in pixels.
        budgets: bytes of each section.
        stops: of each section the lowest plane that it is to hold, even if it has room for more; -1 for no such.

    Returns:
        A payload for each section, as long as its budget where the code does not end or stop before; fewer sections
        where there is nothing left to tell.

    Raises:
        UsageError: the coefficients are not of the canvas, or there are more bytes than `most_bytes`.
    """
    if coefficients.shape != (3, canvas[1], canvas[0]):
        raise UsageError(f"coefficients of shape {coefficients.shape} are not those of a canvas of {canvas}")
    if not budgets or min(budgets) < 1 or sum(budgets) > most_bytes(canvas):
        raise UsageError(f"sections of planes have at least a byte each, and {most_bytes(canvas)} in all")
    geometry = lay_out(canvas)
    ends = np.zeros((len(budgets), SECTION_FIELDS), np.int64)
    ends[:, END] = budgets
    ends[:, STOP] = -1
    ends[: len(stops), STOP] = [stop - 1 if stop > 0 else -1 for stop in stops]
    truth = np.zeros(geometry.size, np.int32)
    fill(coefficients, geometry.slots, (1 << geometry.top + 1) - 1, truth)
    room = np.zeros(sum(budgets) + GAP * (len(budgets) + 1), np.uint8)
    coder = Coder(np.zeros(FIELDS, np.int64), room, ends, _start_work(len(budgets)))
    _run(coder, geometry, truth)
    count = int(coder.work[NUMBER])
    if count < len(budgets):
        end_soon(coder.state, ends[count])
        close(coder.state, coder.data, ends[count])
        count += 1
    payloads = [coder.data[start:end].tobytes() for start, end, _ in ends[:count]]
    return payloads if payloads[-1] else payloads[:-1]


def decode_planes(payloads: Sequence[bytes], canvas: tuple[int, int], missing: int = 0) -> Plane:
    """Decode the first sections of a picture.

    Args:
        payloads: of the sections in order.
        canvas: (width, height) in pixels.
        missing: how many bytes of the last payload did not come.

    Raises:
        BitstreamError: the payloads are longer than `most_bytes`.
    """
    size = sum(len(payload) for payload in payloads) + missing
    if size > most_bytes(canvas):
        raise BitstreamError(f"the planes claim {size} bytes, over the limit of {most_bytes(canvas)}")
    geometry = lay_out(canvas)
    shape = (3, canvas[1], canvas[0])
    magnitudes, signs = np.zeros(shape, np.int32), np.zeros(shape, np.int8)
    last_plane = np.full(shape, geometry.top + 1, np.int8)
    if payloads:
        known, planes = _read(payloads, geometry, missing)
        spread(known, planes, geometry.slots, magnitudes, signs, last_plane)
    return Plane(magnitudes, signs, last_plane, canvas)


def trace_decisions(
    coefficients: NDArray[np.float32], canvas: tuple[int, int], last: int
) -> tuple[NDArray[np.int16], NDArray[np.int32]]:
    """The decisions that coding coefficients takes, and their features: what training wants to see, see `Trace`.

    Args:
        coefficients: (3, H, W) float32.
        canvas: (width, height) in pixels.
        last: the last plane, as it would be on a canvas of 512x512 pixels.
    """
    geometry = lay_out(canvas)
    decisions = 3 * geometry.size
    ends = np.array([(0, decisions, last + geometry.levels - 8)], np.int64)
    coder = Coder(np.zeros(FIELDS, np.int64), np.zeros(decisions + GAP, np.uint8), ends, _start_work(1))
    coder.work[MOST_MADE] = decisions
    truth = np.zeros(geometry.size, np.int32)
    fill(coefficients, geometry.slots, (1 << geometry.top + 1) - 1, truth)
    trace = Trace(np.zeros(MOST * decisions // 3, np.int16), np.zeros((decisions, 4), np.int32), np.zeros(2, np.int64))
    _run(coder, geometry, truth, trace)
    made, listed = trace.used
    return trace.features[:listed], trace.decisions[:made]


def most_bytes(canvas: tuple[int, int]) -> int:
    """How many bytes all payloads of a canvas of (width, height) pixels may have; none where it is too large."""
    pixels = canvas[0] * canvas[1]
    return min(MOST_BYTES, 1024 + pixels // 8) if pixels <= MOST_PIXELS else 0


def to_coefficients(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Coefficients of a picture, (H, W, 3) uint8 RGB -> (3, H, W) float32."""
    return forward(to_channels(picture))


def _read(payloads: Sequence[bytes], geometry: Geometry, missing: int) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
    """What is known after the payloads, and the last planes of it."""
    ends = np.zeros((len(payloads), SECTION_FIELDS), np.int64)
    ends[:, BEGIN] = np.cumsum([0, *(len(payload) + GAP for payload in payloads[:-1])])
    ends[:, END] = ends[:, BEGIN] + [len(payload) for payload in payloads]
    ends[-1, END] += missing
    state = np.zeros(FIELDS, np.int64)
    state[READING] = 1
    state[CUT] = 255 if missing else 0
    data = np.frombuffer(bytes(GAP).join(payloads), np.uint8).copy()
    return _run(Coder(state, data, ends, _start_work(len(payloads))), geometry, np.zeros(geometry.size, np.int32))


def _start_work(sections: int) -> NDArray[np.int64]:
    work = np.zeros(WORK_FIELDS, np.int64)
    work[SECTIONS] = sections
    work[MOST_MADE] = MOST_DECISIONS
    return work


def _run(
    coder: Coder,
    geometry: Geometry,
    truth: NDArray[np.int32],
    trace: Trace = NO_TRACE,
) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
    known, planes = np.zeros(geometry.size, np.int32), np.full(geometry.size, geometry.top + 1, np.int8)
    networks = load_networks()
    model = Model(
        networks,
        look_around(geometry.canvas),
        np.array([7 - geometry.levels], np.int64),
        logistic_tables()[0],
        np.zeros(MOST + SPARE, np.int64),
        np.zeros(networks.first_bias.shape[1], np.int32),
        np.zeros(networks.first_bias.shape[1], np.int16),
        np.zeros((2, len(NETWORKS) * max(LEVELS, VALUES)), np.int64),
    )
    begin(coder.state, coder.data, coder.ends, 0)
    code_planes(coder, geometry.slots, geometry.top, truth, known, planes, model, trace)
    return known, planes
