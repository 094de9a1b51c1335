"""Picture files, PIL images and arrays -> upright RGB pictures."""

import functools
import importlib
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from codec.image_metadata import Metadata, read_metadata
from layercast_common.errors import PictureError

#: A picture that `load_picture` accepts: a file, a PIL image, or (H, W, 3) uint8 RGB.
PictureSource = str | Path | Image.Image | NDArray[np.uint8]

#: Most pixels of a picture. Larger files are refused after reading only the header.
MAX_PIXELS = 80_000_000

#: The transposition that turns a picture upright, by EXIF orientation (EXIF 2.32, section 4.6.4).
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

#: Modes with more than 8 bits a channel. Pillow's own conversion clips them instead of scaling them.
_DEEP_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")


@dataclass(frozen=True, eq=False, slots=True)
class LoadedPicture:
    """A picture with its metadata.

    Attributes:
        image: PIL RGB, upright, without alpha, at its original size.
        metadata: texts found in the file.
        path: the file, if the picture came from one.
    """

    image: Image.Image
    metadata: Metadata = field(default_factory=Metadata)
    path: Path | None = None


def load_picture(source: PictureSource, *, ground: tuple[int, int, int] = (255, 255, 255)) -> LoadedPicture:
    """Load a picture: the first frame, turned upright, transparency filled with a plain colour.

    Args:
        source: a file in any format that Pillow reads, a PIL image of any mode, or an array (H, W, 3) uint8 RGB.
        ground: RGB, 0..255, behind transparent pixels.

    Raises:
        PictureError: the file does not exist, cannot be read, is not a picture, is damaged, or has more than
            MAX_PIXELS.
    """
    if isinstance(source, np.ndarray):
        return LoadedPicture(_from_array(source))
    if isinstance(source, Image.Image):
        with _pillow_errors("the image"):
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
    with _pillow_errors(str(path)), path.open("rb") as file, Image.open(file) as image:
        return _upright(image, ground, path)


def jpeg_size(image: Image.Image, quality: int = 75) -> int:
    """Return the size of a picture as a baseline JPEG with optimised tables, in bytes.

    Args:
        image: PIL RGB.
        quality: JPEG quality, 1..95.
    """
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality, optimize=True)
    return file.tell()


@functools.cache
def _register_plugins() -> None:
    """Register the optional Pillow plugins that are installed."""
    for name, register in (("pillow_heif", "register_heif_opener"), ("pillow_jxl", None), ("pillow_avif", None)):
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        if register is not None:
            getattr(module, register)()


@contextmanager
def _pillow_errors(name: str) -> Iterator[None]:
    """Convert all errors of Pillow to `PictureError`."""
    try:
        with warnings.catch_warnings():
            # Pillow warns of odd metadata, which does not affect the pixels.
            warnings.simplefilter("ignore", UserWarning)
            # Pillow warns of large pictures and refuses huge ones; both are above MAX_PIXELS.
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
    except Exception as error:  # Pillow documents no closed set of errors for damaged files
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
    """Return the picture as a new RGB image, transparent pixels filled with `ground`."""
    if image.mode in _DEEP_MODES:
        return _scale_deep(image).convert("RGB")
    if image.has_transparency_data:
        if image.mode == "La":
            image = image.convert("LA")
        below = Image.new("RGBA", image.size, (*ground, 255))
        return Image.alpha_composite(below, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB") if image.mode != "RGB" else image.copy()


def _scale_deep(image: Image.Image) -> Image.Image:
    """Scale a channel of more than 8 bits to 8. The mode or the brightest pixel determines the white level."""
    values = np.nan_to_num(np.asarray(image).astype(np.float32))
    brightest = float(values.max())
    if image.mode.startswith("I;16"):
        white = 65535.0
    elif image.mode == "F" and brightest <= 1:
        white = 1.0
    else:
        white = next((limit for limit in (255.0, 65535.0) if brightest <= limit), brightest)
    return Image.fromarray(np.clip(np.rint(values * (255 / white)), 0, 255).astype(np.uint8))
