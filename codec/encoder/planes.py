"""A picture's bit planes as sections of the texture and the detail layer, within a byte limit."""

import numpy as np
from numpy.typing import NDArray

from codec.container.sections import MAX_PAYLOAD, Coder, Section
from codec.encoder.rate_control import size_of
from codec.layers import Layer, Size
from layercast_common.errors import UsageError

#: Minimum payload of a texture section that does not end the texture layer, in bytes. A smaller one is joined with the
#: next.
MIN_TEXTURE = 32

#: Payload of the first detail section in bytes. Each further section has at least this size, and 1/n of the bytes of
#: all planes before it, so that every section improves the picture visibly and framing takes few bytes.
FIRST_DETAIL, GROWTH = 64, 2

#: Minimum payload of the last detail section, in bytes. Fewer remaining bytes are left unused.
MIN_DETAIL = 6


def plane_sections(picture: NDArray[np.uint8], limit: int) -> tuple[Section, ...]:
    """Encode a picture's bit planes: one or two texture sections, then sections of detail.

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
            f"bit planes need a canvas of at most {MAX_PIXELS} pixels, and {canvas[0]}x{canvas[1]} has more"
        )
    coefficients = to_coefficients(picture)
    texture, stops = _texture(coefficients, canvas, limit)
    sizes = [*map(len, texture)]
    while texture:
        room, wanted = _room(limit, sizes, canvas), max(FIRST_DETAIL, sum(sizes) // GROWTH)
        if room < MIN_DETAIL:
            break
        sizes.append(wanted if room > wanted + wanted // 2 else room)
    # All sections form one code, so texture is encoded again together with detail. Its payloads do not change.
    payloads = encode_planes(coefficients, canvas, sizes, stops) if len(sizes) > len(texture) else texture
    return tuple(
        Section(Layer.TEXTURE if number < len(texture) else Layer.DETAIL, Coder.PLANES, payload)
        for number, payload in enumerate(payloads)
    )


def _texture(coefficients: NDArray[np.float32], canvas: Size, limit: int) -> tuple[list[bytes], list[int]]:
    """Encode the planes of texture; return the payloads and the last plane of each."""
    from codec.coders.planes.payload import encode_planes
    from codec.wavelet.transform import texture_plane

    last = texture_plane(*canvas)
    payloads: list[bytes] = []
    stops: list[int] = []
    for plane in (last + 1, last):
        room = _room(limit, [*map(len, payloads)], canvas)
        if room < 1:
            break
        coded = encode_planes(coefficients, canvas, [*map(len, payloads), room], [*stops, plane])
        if len(coded) == len(payloads):
            break
        if plane > last and len(coded[-1]) < min(MIN_TEXTURE, room):
            continue
        payloads = coded
        stops.append(plane)
    return payloads, stops


def _room(limit: int, sizes: list[int], canvas: Size) -> int:
    """Return the size of the largest payload that fits after payloads of these sizes; below 1 if none fits."""
    from codec.coders.planes.payload import max_bytes

    left = limit - size_of(Section(Layer.DETAIL, Coder.PLANES, bytes(size)) for size in sizes)
    # A length field takes one byte up to 127, two up to 16383, and three above.
    largest = max(min(left - 2, 127), min(left - 3, 16383), min(left - 4, MAX_PAYLOAD))
    return min(largest, max_bytes(canvas) - sum(sizes))
