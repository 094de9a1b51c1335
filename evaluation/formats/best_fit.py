"""The best that a format can do within a number of bytes: every scale, at the highest quality that fits."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from codec.layers import Size
from evaluation.formats.formats import Format

#: Factors by which pictures are scaled down before they are encoded, and up again after they are decoded.
SCALES = (1, 3 / 4, 5 / 8, 1 / 2, 3 / 8, 5 / 16, 1 / 4, 3 / 16, 5 / 32, 1 / 8, 3 / 32, 5 / 64, 1 / 16, 3 / 64)

#: How many scales are tried within a number of bytes, from the largest that fits; smaller ones are only blurrier.
TRIED_SCALES = 6

#: How decoded pictures are scaled up, by name.
FILTERS = {"bicubic": Image.Resampling.BICUBIC, "lanczos": Image.Resampling.LANCZOS}

_Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a picture is scaled down, encoded and scaled up.

    Attributes:
        scale: the factor by which it is scaled down.
        quality: the format's quality.
        filter: how it is scaled up, see `FILTERS`; without effect at full size.
    """

    scale: float
    quality: float
    filter: str


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class RecodedPicture:
    """A picture that was scaled down, encoded, decoded and scaled up.

    Attributes:
        data: the whole file.
        pixels: (H, W, 3) uint8 RGB at the original's size.
        recipe: how it was made.
        encode_s: seconds of the encoder.
        decode_s: seconds of the decoder and of scaling up.
    """

    data: bytes
    pixels: _Pixels
    recipe: Recipe
    encode_s: float
    decode_s: float


class FormatSearch:
    """Fits one picture into numbers of bytes with one format; nothing is encoded twice.

    Args:
        picture: (H, W, 3) uint8 RGB.
        codec: the format.
        clock: returns seconds.
    """

    def __init__(self, picture: _Pixels, codec: Format, clock: Callable[[], float] = time.perf_counter) -> None:
        self._image = Image.fromarray(picture)
        self._codec = codec
        self._clock = clock
        self._small: dict[float, _Pixels] = {}
        self._files: dict[tuple[float, int], tuple[bytes, float]] = {}

    def candidates(self, budget: int) -> Iterator[RecodedPicture]:
        """Yield the candidates of at most `budget` bytes; none if not even the smallest file fits.

        Args:
            budget: most bytes of a whole file.
        """
        tried = 0
        for scale in SCALES:
            level = self._highest(scale, budget)
            if level is None:
                continue
            for name in FILTERS if scale < 1 else [next(iter(FILTERS))]:
                yield self.make(Recipe(scale, self._codec.qualities[level], name))
            tried += 1
            if tried == TRIED_SCALES:
                return

    def least_bytes(self) -> int:
        """Return the size of the smallest file: the smallest scale at the lowest quality."""
        return len(self._encoded(SCALES[-1], 0)[0])

    def _highest(self, scale: float, budget: int) -> int | None:
        """Return the index of the highest quality that fits; None if none does."""
        if len(self._encoded(scale, 0)[0]) > budget:
            return None
        low, high = 0, len(self._codec.qualities)
        while high - low > 1:
            middle = (low + high) // 2
            if len(self._encoded(scale, middle)[0]) <= budget:
                low = middle
            else:
                high = middle
        return low

    def _encoded(self, scale: float, level: int) -> tuple[bytes, float]:
        if (scale, level) not in self._files:
            if scale not in self._small:
                self._small[scale] = _scaled(self._image, scale)
            started = self._clock()
            data = self._codec.encode(self._small[scale], self._codec.qualities[level])
            self._files[scale, level] = data, self._clock() - started
        return self._files[scale, level]

    def make(self, recipe: Recipe) -> RecodedPicture:
        """Return the candidate of a recipe."""
        data, encode_s = self._encoded(recipe.scale, self._codec.qualities.index(recipe.quality))
        started = self._clock()
        pixels = self._codec.decode(data)
        if recipe.scale < 1:
            pixels = np.asarray(Image.fromarray(pixels).resize(self._image.size, FILTERS[recipe.filter]), np.uint8)
        return RecodedPicture(
            data=data, pixels=pixels, recipe=recipe, encode_s=encode_s, decode_s=self._clock() - started
        )


def _scaled(image: Image.Image, scale: float) -> _Pixels:
    size: Size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    small = image if scale == 1 else image.resize(size, Image.Resampling.LANCZOS)
    return np.ascontiguousarray(small, np.uint8)
