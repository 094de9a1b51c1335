"""What other picture formats show of a picture for the same bytes, to compare it with.

Two questions, one stage each: what a decoder shows of the first bytes of an ordinary JPEG, and what the best WebP, AVIF
or JPEG XL looks like that has no more bytes than have arrived. JPEG XL needs imagecodecs, of the extra `bench`.
"""

import functools
import importlib.util
import io
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from codec.canvas import fit_to_canvas
from codec.layers import Size
from receiver.viewer.pictures.state import Arrival, PictureState, RivalStage
from receiver.viewer.pictures.thumbnails import EncodedImage, open_own, webp

#: Quality of the JPEG that is sent as it is: Pillow's default, as for the size that senders report.
JPEG_QUALITY = 75

#: WebP quality of originals, which other formats are derived from.
ORIGINAL_QUALITY = 92

_END_OF_IMAGE = b"\xff\xd9"

#: Factors by which a picture is scaled down to fit in few bytes.
SCALES = (1, 2, 4, 8, 16)

#: Formats of fitted files.
FittedName = Literal["WebP", "AVIF", "JPEG XL"]

#: Settings of Pillow's encoders. AVIF at speed 8 takes a tenth of a second per picture.
_SETTINGS = {"WebP": {"method": 4}, "AVIF": {"speed": 8}}

#: Distance of JPEG XL at quality 0, in just noticeable differences (Butteraugli), and the encoder's effort.
_MOST_DISTANCE, _EFFORT = 25.0, 5


@dataclass(frozen=True, eq=False, slots=True)
class Fitted:
    """The best file of a format within a number of bytes.

    Attributes:
        size: its bytes.
        image: what its decoder shows, PIL RGB, scaled up to the original's size.
    """

    size: int
    image: Image.Image


def next_rivals(picture: PictureState) -> tuple[RivalStage, ...]:
    """Compute the stages of the first section that has none yet. Takes up to seconds: call it in a thread.

    Returns:
        The stages; empty if the original is unknown or every section has its stages.
    """
    done = {stage.at for stage in picture.rivals}
    missing = next((arrival for arrival in picture.arrivals if arrival.at not in done), None)
    if picture.original is None or missing is None:
        return ()
    original = open_own(picture.original.data).convert("RGB")
    # Sections that arrived at the same moment share their stages: the last of them has the most bytes.
    newest = [arrival for arrival in picture.arrivals if arrival.at == missing.at][-1]
    return (
        _prefix_stage(picture, newest, original),
        *(_fitted_stage(newest, original, name) for name in fitted_names()),
    )


def copy_original(original: Image.Image, canvas: Size) -> EncodedImage:
    """Return a nearly lossless copy of a picture, to compare with.

    Args:
        original: PIL image of any size.
        canvas: (width, height) of the canvas, to which it is fitted.
    """
    return webp(Image.fromarray(fit_to_canvas(original, canvas)), ORIGINAL_QUALITY)


def with_comparison(picture: PictureState, original: Image.Image) -> PictureState:
    """Return a picture with its original and all stages. Takes seconds per section.

    Args:
        picture: the picture.
        original: the original at canvas size, PIL RGB.
    """
    picture = replace(picture, original=webp(original, ORIGINAL_QUALITY))
    while stages := next_rivals(picture):
        picture = replace(picture, rivals=(*picture.rivals, *stages))
    return picture


def progressive_jpeg(image: Image.Image) -> bytes:
    """Encode a picture as a progressive JPEG of ordinary quality: the kind that shows most while it arrives."""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=JPEG_QUALITY, optimize=True, progressive=True)
    return out.getvalue()


def decode_prefix(data: bytes, count: int) -> Image.Image | None:
    """Return what a JPEG decoder shows of the first `count` bytes of a file; None if it shows nothing."""
    # The end marker makes libjpeg show what it has; without it, Pillow waits for more bytes.
    try:
        image = open_own(data[:count] + _END_OF_IMAGE)
        image.load()
    except (OSError, SyntaxError):
        return None
    return image.convert("RGB")


@functools.cache
def fitted_names() -> tuple[FittedName, ...]:
    """Return the formats that this machine can encode."""
    if importlib.util.find_spec("imagecodecs") is None:
        return "WebP", "AVIF"
    from imagecodecs import JPEGXL

    return ("WebP", "AVIF", "JPEG XL") if JPEGXL.available else ("WebP", "AVIF")


def fit(image: Image.Image, budget: int, name: FittedName) -> Fitted | None:
    """Return the file nearest to a picture (least squares) among those of at most `budget` bytes; None if none fits.

    Args:
        image: the original, PIL RGB.
        budget: bytes.
        name: the format.
    """
    original = np.asarray(image, np.float32)
    best: tuple[float, Fitted] | None = None
    for scale in SCALES:
        size = max(1, image.width // scale), max(1, image.height // scale)
        data = _largest_within(image.resize(size, Image.Resampling.BOX), budget, name)
        if data is None:
            continue
        drawn = _decode(data, name).resize(image.size, Image.Resampling.BICUBIC)
        error = _squared_error(original, np.asarray(drawn, np.float32))
        if best is None or error < best[0]:
            best = error, Fitted(len(data), drawn)
    return None if best is None else best[1]


def _prefix_stage(picture: PictureState, arrival: Arrival, original: Image.Image) -> RivalStage:
    data = progressive_jpeg(original)
    opened = picture.opened
    # On the same link, the JPEG would have had the first packet's bytes as well, and the link's rate since then.
    budget = arrival.received
    if opened.rate:
        budget = int(picture.first_bytes + (arrival.at - opened.at) * opened.rate / 8)
    shown = decode_prefix(data, budget)
    return RivalStage(
        name="JPEG",
        fitted=False,
        budget=min(budget, len(data)),
        size=len(data),
        at=arrival.at,
        image=None if shown is None else webp(shown),
    )


def _fitted_stage(arrival: Arrival, original: Image.Image, name: FittedName) -> RivalStage:
    found = fit(original, arrival.received, name)
    return RivalStage(
        name=name,
        fitted=True,
        budget=arrival.received,
        size=0 if found is None else found.size,
        at=arrival.at,
        image=None if found is None else _small(found.image),
    )


def _small(image: Image.Image) -> EncodedImage:
    return webp(image, side=512)


def _encode(image: Image.Image, quality: int, name: FittedName) -> bytes:
    if name == "JPEG XL":
        from imagecodecs import jpegxl_encode

        distance = _MOST_DISTANCE * (1 - quality / 100) + 0.1
        return bytes(jpegxl_encode(np.asarray(image), distance=distance, effort=_EFFORT, numthreads=1))
    out = io.BytesIO()
    image.save(out, name.upper(), quality=quality, **_SETTINGS[name])
    return out.getvalue()


def _decode(data: bytes, name: FittedName) -> Image.Image:
    if name == "JPEG XL":
        from imagecodecs import jpegxl_decode

        return Image.fromarray(jpegxl_decode(data, numthreads=1)).convert("RGB")
    return open_own(data).convert("RGB")


def _largest_within(image: Image.Image, budget: int, name: FittedName) -> bytes | None:
    """Return the file of the highest quality that fits; None if even the lowest does not."""
    low, high, best = 0, 100, None
    while low <= high:
        middle = (low + high) // 2
        data = _encode(image, middle, name)
        if len(data) <= budget:
            low, best = middle + 1, data
        else:
            high = middle - 1
    return best


def _squared_error(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(np.mean((one - other) ** 2))
