"""Picture files, PIL images and arrays -> upright RGB pixels at canvas size."""

import functools
import importlib
import io
import math
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from codec.analysis.prompt.embedded import Metadata, read_metadata
from codec.layers import Size
from layercast_common.errors import PictureError, UsageError

#: What `load_picture` takes.
PictureSource = str | Path | Image.Image | NDArray[np.uint8]

#: Pixels of a picture that is decoded; a larger one is refused from its header alone.
MAX_PIXELS = 80_000_000

#: Canvas sides are multiples of this many pixels: the renderer's latents are 8 times smaller and halved thrice.
CANVAS_STEP = 64

#: Bounds of a canvas side, in pixels.
MIN_CANVAS_SIDE = 64
MAX_CANVAS_SIDE = 2048

#: Long side of a canvas that nobody chose, in pixels.
DEFAULT_LONG_SIDE = 512

#: Share of a side that cropping to the canvas's aspect may take; what is still too long then is squeezed.
MAX_CROP = 0.5

#: How far EXIF's orientation turns a picture (EXIF 2.32, section 4.6.4).
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

#: Modes with more than 8 bits in a channel, which Pillow's own conversion would clip instead of scale.
_DEEP_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")


@dataclass(frozen=True, eq=False, slots=True)
class LoadedPicture:
    """A picture as it was found.

    Attributes:
        image: PIL RGB, upright, without alpha, at its own size.
        metadata: the texts that came with it.
        path: the file it was read from, if any.
    """

    image: Image.Image
    metadata: Metadata = field(default_factory=Metadata)
    path: Path | None = None


def load_picture(source: PictureSource, *, ground: tuple[int, int, int] = (255, 255, 255)) -> LoadedPicture:
    """Read a picture: the first frame, turned upright, transparency laid on a plain ground.

    Args:
        source: a file in any format that Pillow reads, a PIL image of any mode, or an array (H, W, 3) uint8 RGB.
        ground: RGB, 0..255, that shows through transparent pixels.

    Raises:
        PictureError: there is no such file, it is no picture, it is damaged, or it has more than MAX_PIXELS.
    """
    if isinstance(source, np.ndarray):
        return LoadedPicture(_from_array(source))
    if isinstance(source, Image.Image):
        with _foreign_errors("the image"):
            return _upright(source, ground, None)
    if not isinstance(source, str | Path):
        raise PictureError(f"a picture is a path, a PIL image or an array, not {type(source).__name__}")
    path = Path(source)
    if path.is_dir():
        raise PictureError(f"{path} is a folder, not a picture; name the pictures in it")
    if not path.exists():
        raise PictureError(f"there is no picture {path}")
    if not path.is_file():
        raise PictureError(f"{path} is not a regular file")
    _register_plugins()
    with _foreign_errors(str(path)), path.open("rb") as file, Image.open(file) as image:
        return _upright(image, ground, path)


def choose_canvas(size: Size, wanted: Size | None = None, long_side: int = DEFAULT_LONG_SIDE) -> Size:
    """Choose the canvas (width, height) for a picture: sides are multiples of 64, the aspect is the nearest there is.

    Args:
        size: the picture's (width, height), in pixels.
        wanted: a canvas chosen by the user; it is checked and wins.
        long_side: the canvas's long side, in pixels.

    Raises:
        UsageError: a side is not a multiple of 64, or is not between 64 and 2048.
    """
    if wanted is not None:
        _check_side(wanted[0])
        _check_side(wanted[1])
        return wanted
    _check_side(long_side)
    if min(size) < 1:
        raise UsageError(f"a picture of {size[0]}x{size[1]} pixels has no canvas")
    aspect = math.log(max(size) / min(size))
    sides = range(MIN_CANVAS_SIDE, long_side + 1, CANVAS_STEP)
    short_side = min(sides, key=lambda side: abs(math.log(long_side / side) - aspect))
    return (long_side, short_side) if size[0] >= size[1] else (short_side, long_side)


def parse_canvas(text: str) -> Size:
    """Read a canvas such as "512x768", width first.

    Raises:
        UsageError: the text is not of that form, or the canvas is not allowed.
    """
    match = re.fullmatch(r"\s*([0-9]{1,6})\s*[xX×]\s*([0-9]{1,6})\s*", text)
    if match is None:
        raise UsageError(f"a canvas is WIDTHxHEIGHT in pixels, such as 512x512, not {text[:40]!r}")
    return choose_canvas((1, 1), (int(match[1]), int(match[2])))


def fit_to_canvas(image: Image.Image, canvas: Size) -> NDArray[np.uint8]:
    """Crop a picture's centre to the canvas's aspect and scale it.

    Up to half of a side is cropped; a picture so long that this is not enough is squeezed for the rest.

    Args:
        image: PIL RGB.
        canvas: (width, height) in pixels.

    Returns:
        (H, W, 3) uint8 RGB at canvas size.
    """
    width, height = image.size
    aspect = canvas[0] / canvas[1]
    kept_width = min(width, max(height * aspect, width * (1 - MAX_CROP)))
    kept_height = min(height, max(width / aspect, height * (1 - MAX_CROP)))
    left, top = (width - kept_width) / 2, (height - kept_height) / 2
    box = (left, top, left + kept_width, top + kept_height)
    fitted = image.resize(canvas, Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)
    return np.asarray(fitted, np.uint8).copy()


def jpeg_size(image: Image.Image, quality: int = 75) -> int:
    """How many bytes the picture takes as a baseline JPEG with optimised tables.

    Args:
        image: PIL RGB.
        quality: JPEG quality, 1..95.
    """
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality, optimize=True)
    return file.tell()


def _check_side(side: int) -> None:
    if side % CANVAS_STEP or not MIN_CANVAS_SIDE <= side <= MAX_CANVAS_SIDE:
        raise UsageError(
            f"a canvas side is a multiple of {CANVAS_STEP} from {MIN_CANVAS_SIDE} to {MAX_CANVAS_SIDE}, not {side}"
        )


@functools.cache
def _register_plugins() -> None:
    """Let Pillow read formats whose plugins happen to be installed."""
    for name, register in (("pillow_heif", "register_heif_opener"), ("pillow_jxl", None), ("pillow_avif", None)):
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        if register is not None:
            getattr(module, register)()


@contextmanager
def _foreign_errors(name: str) -> Iterator[None]:
    """Turn whatever Pillow raises into one clear line."""
    try:
        with warnings.catch_warnings():
            # Odd metadata and the like, which Pillow copes with, is no news to who only wants the picture.
            warnings.simplefilter("ignore", UserWarning)
            # Pillow warns of large pictures before it refuses huge ones; both are above MAX_PIXELS.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    except PictureError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(name) from error
    except UnidentifiedImageError as error:
        raise PictureError(f"{name} is not a picture in any format known here") from error
    except PermissionError as error:
        raise PictureError(f"{name} cannot be read: permission denied") from error
    except Exception as error:  # Pillow's decoders name no closed set of errors for damaged files
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise PictureError(f"{name} is damaged or cut short: {reason}") from error


def _too_large(name: str) -> PictureError:
    return PictureError(f"{name} has more than {MAX_PIXELS:,} pixels; scale it down first")


def _from_array(array: NDArray[np.uint8]) -> Image.Image:
    if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.uint8 or not array.size:
        raise PictureError(f"a picture array is (H, W, 3) uint8 RGB, not {array.dtype} {array.shape}")
    if array.size // 3 > MAX_PIXELS:
        raise _too_large("the array")
    return Image.fromarray(np.ascontiguousarray(array))


def _upright(image: Image.Image, ground: tuple[int, int, int], path: Path | None) -> LoadedPicture:
    if image.width * image.height > MAX_PIXELS:
        raise _too_large(str(path or "the image"))
    if 0 in image.size:
        raise PictureError(f"{path or 'the image'} is empty: {image.width}x{image.height} pixels")
    image.load()
    metadata = read_metadata(image)
    flat = _flatten(image, ground)
    if metadata.orientation in _UPRIGHT:
        flat = flat.transpose(_UPRIGHT[metadata.orientation])
    flat.info = {}
    return LoadedPicture(flat, metadata, path)


def _flatten(image: Image.Image, ground: tuple[int, int, int]) -> Image.Image:
    """The picture as a new RGB image, its transparency laid on the ground."""
    if image.mode in _DEEP_MODES:
        return _scale_deep(image).convert("RGB")
    if image.has_transparency_data:
        if image.mode == "La":
            image = image.convert("LA")
        below = Image.new("RGBA", image.size, (*ground, 255))
        return Image.alpha_composite(below, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB") if image.mode != "RGB" else image.copy()


def _scale_deep(image: Image.Image) -> Image.Image:
    """Scale a channel of more than 8 bits to 8; what its white is follows from its mode or its brightest pixel."""
    values = np.nan_to_num(np.asarray(image).astype(np.float32))
    brightest = float(values.max())
    if image.mode.startswith("I;16"):
        white = 65535.0
    elif image.mode == "F" and brightest <= 1:
        white = 1.0
    else:
        white = next((limit for limit in (255.0, 65535.0) if brightest <= limit), brightest)
    return Image.fromarray(np.clip(np.rint(values * (255 / white)), 0, 255).astype(np.uint8))
