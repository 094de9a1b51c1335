"""The canvas of a picture: its choice, its limits, and cropping a picture to it."""

import math
import re

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from codec.layers import Size
from layercast_common.errors import UsageError

#: Canvas sides are multiples of this many pixels: the renderer's latents are 8 times smaller and are halved 3 times.
CANVAS_STEP = 64

#: Limits of a canvas side, in pixels.
MIN_CANVAS_SIDE = 64
MAX_CANVAS_SIDE = 2048

#: Long side of the default canvas, in pixels.
DEFAULT_LONG_SIDE = 512

#: How much closer to the picture's aspect, as a logarithm, a step of the long side must come.
STEP_COST = 0.02

#: Largest share of a side that is cropped to match the canvas's aspect. If that is not enough, the rest is squeezed.
MAX_CROP = 0.5


def check_canvas(canvas: Size) -> None:
    """Check a canvas (width, height), in pixels.

    Raises:
        UsageError: a side is not a multiple of 64, or not between 64 and 2048.
    """
    for side in canvas:
        if side % CANVAS_STEP or not MIN_CANVAS_SIDE <= side <= MAX_CANVAS_SIDE:
            raise UsageError(
                f"a canvas side is a multiple of {CANVAS_STEP} from {MIN_CANVAS_SIDE} to {MAX_CANVAS_SIDE}, not {side}"
            )


def choose_canvas(size: Size, wanted: Size | None = None, long_side: int = DEFAULT_LONG_SIDE) -> Size:
    """Choose the canvas for a picture: sides are multiples of 64, the aspect is near that of the picture.

    The long side may be one step shorter or longer where that comes much closer to the aspect: 3:2 becomes 576x384.

    Args:
        size: (width, height) of the picture, in pixels.
        wanted: the canvas that the user chose, if any; it is checked and returned.
        long_side: the preferred long side of the canvas, in pixels.

    Returns:
        (width, height) of the canvas, in pixels.

    Raises:
        UsageError: a side is not a multiple of 64, or not between 64 and 2048; or the picture is empty.
    """
    if wanted is not None:
        check_canvas(wanted)
        return wanted
    check_canvas((long_side, long_side))
    if min(size) < 1:
        raise UsageError(f"a picture of {size[0]}x{size[1]} pixels has no canvas")
    aspect = math.log(max(size) / min(size))
    steps = [step for step in (0, -1, 1) if MIN_CANVAS_SIDE <= long_side + step * CANVAS_STEP <= MAX_CANVAS_SIDE]
    candidates = [
        (abs(math.log(long / short) - aspect) + STEP_COST * abs(step), long, short)
        for step in steps
        for long in [long_side + step * CANVAS_STEP]
        for short in range(MIN_CANVAS_SIDE, long + 1, CANVAS_STEP)
    ]
    _, long, short = min(candidates, key=lambda candidate: candidate[0])
    return (long, short) if size[0] >= size[1] else (short, long)


def cropped_share(size: Size, canvas: Size) -> float:
    """Return the share of a picture's area that a canvas does not show, 0 to 1."""
    left, top, right, bottom = crop_box(size, canvas)
    return 1 - (right - left) * (bottom - top) / (size[0] * size[1])


def parse_canvas(text: str) -> Size:
    """Parse a canvas such as "512x768", width first.

    Raises:
        UsageError: the text is not of that form, or the canvas is not allowed.
    """
    match = re.fullmatch(r"\s*([0-9]{1,6})\s*[xX×]\s*([0-9]{1,6})\s*", text)
    if match is None:
        raise UsageError(f"a canvas is WIDTHxHEIGHT in pixels, such as 512x512, not {text[:40]!r}")
    canvas = (int(match[1]), int(match[2]))
    check_canvas(canvas)
    return canvas


def crop_box(size: Size, canvas: Size) -> tuple[float, float, float, float]:
    """Return the part of a picture that the canvas shows: (left, top, right, bottom), in pixels of the picture.

    The centre is kept. At most `MAX_CROP` of a side is cropped.

    Args:
        size: (width, height) of the picture, in pixels.
        canvas: (width, height) of the canvas, in pixels.
    """
    width, height = size
    aspect = canvas[0] / canvas[1]
    kept_width = min(width, max(height * aspect, width * (1 - MAX_CROP)))
    kept_height = min(height, max(width / aspect, height * (1 - MAX_CROP)))
    left, top = (width - kept_width) / 2, (height - kept_height) / 2
    return (left, top, left + kept_width, top + kept_height)


def fit_to_canvas(image: Image.Image, canvas: Size) -> NDArray[np.uint8]:
    """Crop the centre of a picture to the canvas's aspect, and scale it.

    At most half of a side is cropped; a picture that is still too long is squeezed.

    Args:
        image: PIL RGB.
        canvas: (width, height), in pixels.

    Returns:
        (H, W, 3) uint8 RGB at canvas size.
    """
    box = crop_box(image.size, canvas)
    fitted = image.resize(canvas, Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)
    return np.asarray(fitted, np.uint8).copy()
