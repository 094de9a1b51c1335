"""The order "fidelity": an optional coarse line map, then the picture's bit planes until the budget is used."""

import numpy as np
from numpy.typing import NDArray

from codec.container.sections import MAX_PAYLOAD, Coder, Section
from codec.encoder.rate_control import LineFitter, size_of
from codec.layers import TEXTURE_PLANE, Layer, Size
from layercast_common.errors import UsageError

#: Bytes of the coarse lines, framing included: minimum, maximum, and share 1/n of the bytes left after the prompt.
MIN_LINES, MAX_LINES, LINES_SHARE = 40, 100, 8

#: Minimum payload of a section of the detail layer, in bytes. A smaller plane shares a section with the next plane.
MIN_SECTION = 16

#: Minimum size of a section in bytes: framing and one byte of payload.
_LEAST = 3


def fidelity_sections(picture: NDArray[np.uint8], limit: int, lines: LineFitter | None) -> tuple[Section, ...]:
    """Encode the coarse lines, if given, and the bit planes of a picture.

    Args:
        picture: (H, W, 3) uint8 RGB at canvas size.
        limit: bytes for all sections, framing included.
        lines: the picture's lines; None encodes planes alone.

    Raises:
        UsageError: the canvas is too large for bit planes.
    """
    coarse = () if lines is None or limit < MIN_LINES * LINES_SHARE else lines.fit(min(limit // LINES_SHARE, MAX_LINES))
    return (*coarse, *plane_sections(picture, limit - size_of(coarse)))


def plane_sections(picture: NDArray[np.uint8], limit: int) -> tuple[Section, ...]:
    """Encode a picture's bit planes: one texture section, then one section for each plane of detail.

    The last section ends at the limit or at the end of the code.

    Args:
        picture: (H, W, 3) uint8 RGB at canvas size.
        limit: bytes for all sections, framing included.

    Raises:
        UsageError: the canvas is too large for bit planes.
    """
    from codec.coders.planes.payload import MAX_PIXELS, encode_planes, max_bytes, to_coefficients

    canvas = picture.shape[1], picture.shape[0]
    if not max_bytes(canvas):
        raise UsageError(
            f"the order fidelity needs a canvas of at most {MAX_PIXELS} pixels, and {canvas[0]}x{canvas[1]} has more"
        )
    coefficients = to_coefficients(picture)
    payloads: list[bytes] = []
    stops: list[int] = []
    for plane in range(TEXTURE_PLANE, -1, -1):
        room = _room(limit, payloads, canvas)
        if room < 1:
            break
        sizes = [*map(len, payloads), room]
        # All sections form one code, so each is coded together with the previous ones, which do not change.
        coded = encode_planes(coefficients, canvas, sizes, [*stops, plane])
        if len(coded) < len(sizes):
            break
        if payloads and plane and len(coded[-1]) < min(MIN_SECTION, room):
            continue
        if payloads and _room(limit, coded, canvas) < MIN_SECTION and len(coded[-1]) < room:
            # Too few bytes remain for another section, so this one takes them all.
            payloads = encode_planes(coefficients, canvas, sizes, stops)
            break
        payloads = coded
        stops.append(plane)
    return tuple(
        Section(Layer.DETAIL if number else Layer.TEXTURE, Coder.PLANES, payload)
        for number, payload in enumerate(payloads)
    )


def _room(limit: int, payloads: list[bytes], canvas: Size) -> int:
    """Return the size of the largest payload that fits after the others; below 1 if none fits."""
    from codec.coders.planes.payload import max_bytes

    taken = sum(len(payload) for payload in payloads)
    left = limit - size_of(Section(Layer.DETAIL, Coder.PLANES, payload) for payload in payloads)
    if left < _LEAST:
        return 0
    # A length field takes one byte up to 127, two up to 16383, and three above.
    largest = max(min(left - 2, 127), min(left - 3, 16383), min(left - 4, MAX_PAYLOAD))
    return min(largest, max_bytes(canvas) - taken)
