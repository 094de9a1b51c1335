"""Pictures of more than 8 bits a channel -> 8 bits: which value is black and which is white."""

from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, TiffTags

from codec.reading.formats import open_picture

#: Modes of one channel of more than 8 bits. Pillow's own conversion clips them instead of scaling them.
DEEP_MODES = frozenset({"I", "F", "I;16", "I;16L", "I;16B", "I;16N"})

#: White levels of integers: 8, 10, 12, 14 and 16 bits.
_WHITES = (255, 1023, 4095, 16383, 65535)

#: Formats whose decoders scale samples to the full 16 bits, so that white is known.
_SCALED = frozenset({"PPM", "JPEG2000"})

#: Share by which a float picture may exceed its white level: scaling a picture overshoots.
_OVERSHOOT = 1.02

#: Largest float value that counts as a highlight above a white of 1.
_HIGHLIGHT = 16.0

#: Rows that are measured at once, in samples.
_BLOCK = 1 << 22

_PHOTOMETRIC, _MAX_SAMPLE_VALUE, _WHITE_IS_ZERO = 262, 281, 0


@dataclass(frozen=True, slots=True)
class WhiteLevels:
    """The values that become 0 and 255; `inverted` if the lower one is white."""

    black: float
    white: float
    inverted: bool = False

    def scale(self, values: NDArray[np.generic]) -> NDArray[np.uint8]:
        """Return samples of any number type as 0..255; values that are not numbers are black."""
        scaled = values.astype(np.float32)
        np.nan_to_num(scaled, copy=False, nan=self.black, posinf=self.white, neginf=self.black)
        scaled -= np.float32(self.black)
        scaled *= np.float32(255 / (self.white - self.black))
        np.rint(scaled, out=scaled)
        eight = np.clip(scaled, 0, 255, out=scaled).astype(np.uint8)
        return 255 - eight if self.inverted else eight


def find_levels(image: Image.Image) -> WhiteLevels:
    """Determine black and white of a picture with one deep channel.

    Few files state their white level, and cameras store 10, 12 or 14 bits in samples of 16. So the format decides
    where it knows; else the smallest level that holds the brightest pixel is white. A PNG has the full 16 bits by its
    standard; there, only a picture that would be nearly black counts as one of 12 bits or fewer.

    Args:
        image: a loaded PIL image of a mode in DEEP_MODES.
    """
    inverted = _tag(image, _PHOTOMETRIC) == _WHITE_IS_ZERO
    low, high, fine, sample = _measure(image)
    if not high > low:
        # One value alone: a level still says how bright it is.
        low = min(low, 0.0)
    if image.mode == "F" and (fine or high <= 1):
        black, white = _float_levels(low, high, sample)
    else:
        black, white = min(low, 0.0), _integer_white(image, high)
        white = high if black < 0 else white
    return WhiteLevels(black, white if white > black else black + 1, inverted)


def find_low_bytes(image: ImageFile.ImageFile, file: IO[bytes], tiles: list[Any]) -> Image.Image | None:
    """Return the low bytes of a picture of 16 bits a channel, if its high bytes alone would make it too dark.

    Pillow keeps the high bytes of such pictures, and of 12 bits in 16 these are 16 shades. The low bytes come from a
    second decoding, with the order of bytes exchanged.

    Args:
        image: as loaded, with several channels.
        file: the picture's file.
        tiles: the image's `tile` before it was loaded.
    """
    if len(tiles) != 1 or image.mode not in ("RGB", "RGBA") or image.format not in ("PNG", "TIFF"):
        return None
    swapped = _swap_bytes(tiles[0])
    highest = max(high for _, high in _band_extrema(image))
    if swapped is None or highest >= (_dark_limit(image) + 1) >> 8:
        return None
    again = open_picture(file)
    if again.size != image.size or again.mode != image.mode:
        return None
    again.tile = [swapped]
    again.load()
    return again


def join_bytes(high: Image.Image, low: Image.Image) -> NDArray[np.uint16]:
    """Return the samples whose high and low bytes two pictures of one size hold, (H, W, channels)."""
    joined: NDArray[np.uint16] = (np.asarray(high).astype(np.uint16) << 8) | np.asarray(low)
    return joined


def white_of_bytes(high: Image.Image, low: Image.Image) -> WhiteLevels:
    """Return the levels of the picture that `join_bytes` makes."""
    brightest = 0
    for top in range(0, high.height, rows := max(1, _BLOCK // high.width)):
        box = (0, top, high.width, min(top + rows, high.height))
        brightest = max(brightest, int(join_bytes(high.crop(box), low.crop(box)).max()))
    return WhiteLevels(0, _integer_white(high, brightest))


def _measure(image: Image.Image) -> tuple[float, float, bool, NDArray[np.float32]]:
    """Return the lowest and highest finite value, whether any has a fraction, and a sample of them."""
    low, high, fine = np.inf, -np.inf, False
    samples = []
    for top in range(0, image.height, rows := max(1, _BLOCK // image.width)):
        values = np.asarray(image.crop((0, top, image.width, min(top + rows, image.height))))
        if values.dtype.kind == "f":
            values = values[np.isfinite(values)]
            fine = fine or bool((values != np.rint(values)).any())
        if values.size:
            low, high = min(low, float(values.min())), max(high, float(values.max()))
            samples.append(values.ravel()[:: max(1, values.size >> 16)].astype(np.float32))
    if not samples:
        return 0.0, 0.0, False, np.zeros(1, np.float32)
    return low, high, fine, np.concatenate(samples)


def _float_levels(low: float, high: float, sample: NDArray[np.float32]) -> tuple[float, float]:
    if high <= 1:
        return (-1.0 if low >= -1 else low) if low < -0.05 else 0.0, 1.0
    if low < -0.05 * high:
        return low, high
    if high <= _HIGHLIGHT:
        # White is 1; a picture that is mostly above has no such white.
        return 0.0, max(1.0, float(np.percentile(sample, 99.5)))
    return 0.0, float(next((white for white in _WHITES if high <= white * _OVERSHOOT), high))


def _integer_white(image: Image.Image, brightest: float) -> float:
    if image.format in _SCALED and image.mode != "F":
        return 65535.0
    stated = _tag(image, _MAX_SAMPLE_VALUE)
    if isinstance(stated, int) and stated >= 255 and brightest <= stated:
        return float(stated)
    limit = _dark_limit(image)
    return float(next((white for white in _WHITES if brightest <= white and not limit < white < 65535), brightest))


def _dark_limit(image: Image.Image) -> int:
    """Return the largest white level below 16 bits that a picture in this format may have."""
    return 4095 if image.format == "PNG" else 16383


def _band_extrema(image: Image.Image) -> list[tuple[int, int]]:
    return [(int(low), int(high)) for low, high in image.getextrema()]  # type: ignore[misc]


def _tag(image: Image.Image, number: int) -> object:
    """Return a tag of a TIFF file; None in other formats, or if it is missing."""
    tags = getattr(image, "tag_v2", None)
    value = None if tags is None or number not in TiffTags.TAGS_V2 else tags.get(number)
    return value[0] if isinstance(value, tuple) and value else value


def _swap_bytes(tile: Any) -> Any:
    """Return Pillow's tile with the other order of bytes; None if it has not 16 bits a channel."""
    args = tile.args
    raw = args[0] if isinstance(args, tuple) and args else args
    if not isinstance(raw, str) or raw[-4:] not in (";16B", ";16L", ";16N") or not raw.startswith("RGB"):
        return None
    # Native order, which libtiff delivers, is low byte first on all machines that run this.
    other = raw[:-1] + ("L" if raw.endswith("B") else "B")
    return tile._replace(args=(other, *args[1:]) if isinstance(args, tuple) else other)
