"""Pictures <-> payloads of the plane coder.

The code of a picture is one sequence of decisions, from the mean colour to the last detail. Sections are consecutive
parts of this sequence. A payload consists only of arithmetic-coded bits and has any length; it contains as many
decisions as its bytes can hold. Every prefix of the code decodes.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from codec.coders.entropy import CUT, FIELDS, READING, logistic_tables
from codec.coders.planes.coding import code_planes
from codec.coders.planes.decisions import LEVELS, VALUES, PlaneModel, SectionCoder, Trace
from codec.coders.planes.filling import fill, spread
from codec.coders.planes.geometry import Geometry, lay_out
from codec.coders.planes.network import NETWORKS, SPARE, load_networks
from codec.coders.planes.sections import (
    BEGIN,
    END,
    GAP,
    MAX_MADE,
    NUMBER,
    SECTION_FIELDS,
    SECTIONS,
    STOP,
    WORK_FIELDS,
    begin,
    close,
    end_soon,
)
from codec.coders.planes.views import MAX_FEATURES, build_views
from codec.wavelet.plane import Plane
from codec.wavelet.transform import forward, to_channels
from layercast_common.errors import BitstreamError, UsageError

#: Limits: pixels of a canvas, bytes of all payloads of a picture, decisions of a picture.
MAX_PIXELS, MAX_BYTES, MAX_DECISIONS = 1 << 20, 1 << 16, 160_000

#: A trace that records nothing.
NO_TRACE = Trace(np.zeros(0, np.int16), np.zeros((0, 4), np.int32), np.zeros(2, np.int64))


def encode_planes(
    coefficients: NDArray[np.float32],
    canvas: tuple[int, int],
    budgets: Sequence[int],
    stops: Sequence[int] = (),
) -> list[bytes]:
    """Encode coefficients into payloads.

    Args:
        coefficients: (3, H, W) float32, from `to_coefficients`.
        canvas: (width, height) in pixels.
        budgets: size of each section in bytes.
        stops: lowest plane of each section: the section ends after this plane, even if it has room for more. -1 means
            no limit.

    Returns:
        A payload for each section. A payload is as long as its budget, unless the section stops at a plane or the code
        ends. There are fewer sections than budgets if the code ends early.

    Raises:
        UsageError: the coefficients do not have the shape of the canvas, a budget is below one byte, or the budgets
            exceed `max_bytes`.
    """
    if coefficients.shape != (3, canvas[1], canvas[0]):
        raise UsageError(
            f"coefficients must have the shape (3, height, width) of the canvas {canvas}, got {coefficients.shape}"
        )
    if not budgets or min(budgets) < 1 or sum(budgets) > max_bytes(canvas):
        raise UsageError(f"plane sections need at least one byte each and at most {max_bytes(canvas)} bytes in total")
    geometry = lay_out(canvas)
    ends = np.zeros((len(budgets), SECTION_FIELDS), np.int64)
    ends[:, END] = budgets
    ends[:, STOP] = -1
    ends[: len(stops), STOP] = [stop - 1 if stop > 0 else -1 for stop in stops]
    truth = np.zeros(geometry.size, np.int32)
    fill(coefficients, geometry.slots, (1 << geometry.top + 1) - 1, truth)
    room = np.zeros(sum(budgets) + GAP * (len(budgets) + 1), np.uint8)
    coder = SectionCoder(np.zeros(FIELDS, np.int64), room, ends, _start_work(len(budgets)))
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
        payloads: payloads of the sections in order.
        canvas: (width, height) in pixels.
        missing: number of bytes missing at the end of the last payload.

    Raises:
        BitstreamError: the payloads are longer than `max_bytes`.
    """
    size = sum(len(payload) for payload in payloads) + missing
    if size > max_bytes(canvas):
        raise BitstreamError(f"plane sections of {size} bytes exceed the limit of {max_bytes(canvas)} bytes")
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
    """Code coefficients and return the features and the decisions for training, see `Trace`.

    Args:
        coefficients: (3, H, W) float32.
        canvas: (width, height) in pixels.
        last: the last plane, as numbered on a canvas of 512x512 pixels.
    """
    geometry = lay_out(canvas)
    decisions = 3 * geometry.size
    ends = np.array([(0, decisions, last + geometry.levels - 8)], np.int64)
    coder = SectionCoder(np.zeros(FIELDS, np.int64), np.zeros(decisions + GAP, np.uint8), ends, _start_work(1))
    coder.work[MAX_MADE] = decisions
    truth = np.zeros(geometry.size, np.int32)
    fill(coefficients, geometry.slots, (1 << geometry.top + 1) - 1, truth)
    trace = Trace(
        np.zeros(MAX_FEATURES * decisions // 3, np.int16), np.zeros((decisions, 4), np.int32), np.zeros(2, np.int64)
    )
    _run(coder, geometry, truth, trace)
    made, listed = trace.used
    return trace.features[:listed], trace.decisions[:made]


def max_bytes(canvas: tuple[int, int]) -> int:
    """Return the byte limit of all payloads of a canvas of (width, height) pixels; 0 if the canvas is too large."""
    pixels = canvas[0] * canvas[1]
    return min(MAX_BYTES, 1024 + pixels // 8) if pixels <= MAX_PIXELS else 0


def to_coefficients(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the coefficients of a picture, (H, W, 3) uint8 RGB -> (3, H, W) float32."""
    return forward(to_channels(picture))


def _read(payloads: Sequence[bytes], geometry: Geometry, missing: int) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
    """Return the known values after the payloads, and the last plane of each cell, as flat arrays."""
    ends = np.zeros((len(payloads), SECTION_FIELDS), np.int64)
    ends[:, BEGIN] = np.cumsum([0, *(len(payload) + GAP for payload in payloads[:-1])])
    ends[:, END] = ends[:, BEGIN] + [len(payload) for payload in payloads]
    ends[-1, END] += missing
    state = np.zeros(FIELDS, np.int64)
    state[READING] = 1
    state[CUT] = 255 if missing else 0
    data = np.frombuffer(bytes(GAP).join(payloads), np.uint8).copy()
    return _run(
        SectionCoder(state, data, ends, _start_work(len(payloads))), geometry, np.zeros(geometry.size, np.int32)
    )


def _start_work(sections: int) -> NDArray[np.int64]:
    work = np.zeros(WORK_FIELDS, np.int64)
    work[SECTIONS] = sections
    work[MAX_MADE] = MAX_DECISIONS
    return work


def _run(
    coder: SectionCoder,
    geometry: Geometry,
    truth: NDArray[np.int32],
    trace: Trace = NO_TRACE,
) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
    known, planes = np.zeros(geometry.size, np.int32), np.full(geometry.size, geometry.top + 1, np.int8)
    networks = load_networks()
    model = PlaneModel(
        networks,
        build_views(geometry.canvas),
        np.array([7 - geometry.levels], np.int64),
        logistic_tables()[0],
        np.zeros(MAX_FEATURES + SPARE, np.int64),
        np.zeros(networks.first_bias.shape[1], np.int32),
        np.zeros(networks.first_bias.shape[1], np.int16),
        np.zeros((2, len(NETWORKS) * max(LEVELS, VALUES)), np.int64),
    )
    begin(coder.state, coder.data, coder.ends, 0)
    code_planes(coder, geometry.slots, geometry.top, truth, known, planes, model, trace)
    return known, planes
