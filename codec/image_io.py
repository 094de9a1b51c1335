"""Picture files, PIL images and arrays -> upright RGB pictures."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError

from codec.image_metadata import Metadata, read_metadata
from codec.layers import Size
from codec.reading import depth
from codec.reading.flatten import Flattener
from codec.reading.formats import open_picture
from codec.reading.memory import (
    LARGE_PIXELS,
    MAX_DECODED_BYTES,
    MAX_PIXELS,
    decoding,
    fits,
    reduce_in_strips,
    reduction,
    scale_draft,
)
from codec.reading.png import without_side_chunks
from codec.reading.profiles import find_transform
from layercast_common.errors import PictureError
from layercast_common.files import open_regular

#: A picture that `load_picture` accepts: a file, the bytes of a file, a PIL image, or (H, W, 3) uint8 RGB.
PictureSource = str | Path | bytes | Image.Image | NDArray[np.uint8]

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

#: Orientations that exchange width and height.
_SIDEWAYS = frozenset({5, 6, 7, 8})


#: Largest PNG that is read a second time without its texts, in bytes (64 MiB).
_MAX_REPAIRED = 64 << 20


@dataclass(frozen=True, eq=False, slots=True)
class LoadedPicture:
    """A picture with its metadata.

    Attributes:
        image: PIL RGB in sRGB, upright, without alpha; scaled down by an integer if a side is twice
            `codec.reading.memory.WORKING_SIDE` or longer.
        metadata: texts found in the file.
        path: the file, if the picture came from one.
        size: (width, height) of the upright picture before it was scaled down, in pixels.
        notes: remarks for a person on parts of the file that could not be used.
    """

    image: Image.Image
    metadata: Metadata = field(default_factory=Metadata)
    path: Path | None = None
    size: Size = (0, 0)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.size == (0, 0):
            object.__setattr__(self, "size", self.image.size)


def load_picture(source: PictureSource, *, ground: tuple[int, int, int] = (255, 255, 255)) -> LoadedPicture:
    """Load a picture: the first frame, turned upright, in sRGB, transparency filled with a plain colour.

    Args:
        source: a file in one of `codec.reading.formats.FORMATS`, its bytes, a PIL image of any mode, or an array
            (H, W, 3) uint8 RGB.
        ground: RGB, 0..255, behind transparent pixels.

    Raises:
        PictureError: the file does not exist, cannot be read, is not a picture, is damaged, or cannot be decoded within
            the limits of `codec.reading.memory`.
    """
    if isinstance(source, np.ndarray):
        return LoadedPicture(_from_array(source))
    if isinstance(source, Image.Image):
        with _pillow_errors("the image"):
            return _load(source, ground, name="the image")
    if isinstance(source, bytes):
        return _load_file(io.BytesIO(source), ground, None)
    if not isinstance(source, str | Path):
        raise PictureError(f"a picture is a path, bytes, a PIL image or an array, not {type(source).__name__}")
    path = Path(source)
    if path.is_dir():
        raise PictureError(f"{path} is a folder, not a picture; name the pictures in it")
    if not path.exists():
        raise PictureError(f"there is no picture {path}")
    if not path.is_file():
        raise PictureError(f"{path} is not a regular file")
    with _pillow_errors(str(path)), open_regular(path) as file:
        return _load_file(file, ground, path)


def jpeg_size(image: Image.Image, quality: int = 75) -> int:
    """Return the size of a picture as a baseline JPEG with optimised tables, in bytes.

    Args:
        image: PIL RGB.
        quality: JPEG quality, 1..95.
    """
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality, optimize=True)
    return file.tell()


@contextmanager
def _pillow_errors(name: str) -> Iterator[None]:
    """Convert all errors of Pillow to `PictureError`."""
    try:
        with warnings.catch_warnings():
            # Pillow warns of odd metadata, which does not affect the pixels.
            warnings.simplefilter("ignore", UserWarning)
            # Pillow warns of large pictures; our own limits follow.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            yield
    except PictureError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(name) from error
    except UnidentifiedImageError as error:
        raise PictureError(f"{name} is not a picture in any format known here") from error
    except PermissionError as error:
        raise PictureError(f"{name} cannot be read: permission denied") from error
    except MemoryError as error:
        raise PictureError(f"{name} does not fit into this machine's memory; scale it down first") from error
    except Exception as error:  # Pillow documents no closed set of errors for damaged files
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise PictureError(f"{name} is damaged or cut short: {reason}") from error


def _too_large(name: str) -> PictureError:
    return PictureError(
        f"{name} has more than {MAX_PIXELS:,} pixels, or decoding it takes more than {MAX_DECODED_BYTES >> 20} MiB; "
        "scale it down first, or save it as a baseline JPEG, which is read scaled"
    )


def _from_array(array: NDArray[np.uint8]) -> Image.Image:
    if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.uint8 or not array.size:
        raise PictureError(f"a picture array is (H, W, 3) uint8 RGB, not {array.dtype} {array.shape}")
    if array.size // 3 > MAX_PIXELS:
        raise _too_large("the array")
    return Image.fromarray(np.ascontiguousarray(array))


def _load_file(file: IO[bytes], ground: tuple[int, int, int], path: Path | None) -> LoadedPicture:
    name = str(path or "the picture")
    with _pillow_errors(name):
        try:
            with open_picture(file) as image:
                return _load(image, ground, name=name, path=path, file=file)
        except (PictureError, Image.DecompressionBombError):
            raise
        except (ValueError, SyntaxError, OSError):
            # Pillow gives up a PNG for one text that is damaged or longer than its limit.
            file.seek(0)
            data = file.read(_MAX_REPAIRED + 1)
            stripped = without_side_chunks(data) if len(data) <= _MAX_REPAIRED else None
            if stripped is None:
                raise
        with io.BytesIO(stripped) as rest, open_picture(rest) as image:
            note = "the picture's texts and colour profile are skipped: one of them is damaged or too large"
            return _load(image, ground, name=name, path=path, file=rest, notes=(note,))


def _load(
    image: Image.Image,
    ground: tuple[int, int, int],
    *,
    name: str,
    path: Path | None = None,
    file: IO[bytes] | None = None,
    notes: tuple[str, ...] = (),
) -> LoadedPicture:
    full = image.size
    if 0 in full:
        raise PictureError(f"{name} is empty: {image.width}x{image.height} pixels")
    if file is not None:
        scale_draft(image)
    if not fits(image, full, 0 if file is None else _size_of(file)):
        raise _too_large(name)
    with decoding(image):
        flattener, metadata, note = _decode(image, ground, file)
        factor = reduction(image.size)
        # Removing transparency takes several copies: of a large picture, strip by strip.
        small = factor == 1 and image.width * image.height <= LARGE_PIXELS
        flat = flattener.whole() if small else reduce_in_strips(image.size, factor, flattener.part)
    if metadata.orientation in _UPRIGHT:
        flat = flat.transpose(_UPRIGHT[metadata.orientation])
    flat.info = {}
    size = full[::-1] if metadata.orientation in _SIDEWAYS else full
    return LoadedPicture(flat, metadata, path, size, (*notes, *filter(None, [note])))


def _size_of(file: IO[bytes]) -> int:
    place = file.tell()
    size = file.seek(0, io.SEEK_END)
    file.seek(place)
    return size


def _decode(
    image: Image.Image, ground: tuple[int, int, int], file: IO[bytes] | None
) -> tuple[Flattener, Metadata, str]:
    """Decode the pixels. Return what makes them RGB, the metadata, and a note if the colour profile is skipped."""
    tiles = list(image.tile) if isinstance(image, ImageFile.ImageFile) else []
    image.load()
    metadata = read_metadata(image, file)
    transform, note = find_transform(image)
    levels, low = None, None
    if image.mode in depth.DEEP_MODES:
        levels = depth.find_levels(image)
    elif file is not None and isinstance(image, ImageFile.ImageFile):
        low = depth.find_low_bytes(image, file, tiles)
        levels = None if low is None else depth.white_of_bytes(image, low)
    return Flattener(image, ground, transform=transform, levels=levels, low=low), metadata, note
