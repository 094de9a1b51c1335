"""Pictures <-> wavelet coefficients: colours, the CDF 9/7 transform, the layout of its bands, and quantisation cells.

Colours are full-range BT.601 YCbCr as in JPEG (ITU-T T.871), with 128 subtracted from luma. Chroma is multiplied by
`CHROMA_WEIGHT`, so that the same step spends fewer bits on it. Luma coefficients are multiplied by `LUMA_WEIGHTS`, so
that structure of about 8 to 32 pixels, to which the eye is most sensitive, comes earlier; the coarsest chroma is
multiplied by `COARSE_CHROMA_WEIGHT`, so that large areas get their colours early. The wavelet is CDF 9/7 by lifting (I.
Daubechies, W. Sweldens, "Factoring Wavelet Transforms into Lifting Steps", 1998) with symmetric extension. Its scaling
makes it close to orthonormal: before weights, an error in a coefficient of any band causes an error of about the same
size in the picture. All sizes are supported. The low band of an axis of n samples has ceil(n / 2) samples. An axis of
one sample is not transformed.

Coefficients are stored in Mallat's layout: the low band at the top left, each finer level around it. Bit plane p has
the step 2^p. A magnitude is q = floor(|c| / 2^p), so the cell of 0 is twice as wide as the other cells.

All arithmetic is float32. A sender may compute coefficients in any way. Integers alone define the content of a stream;
the inverse transform may differ by rounding between machines.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from codec.compiled import compiled
from codec.wavelet.lifting import merge, split

#: Factor of chroma. Below 1, so that luma, to which the eye is more sensitive, gets detail first.
CHROMA_WEIGHT = 0.7

#: Factors of luma coefficients by level, 1 for all others. Chosen on training pictures: at equal bytes they improve
#: SSIM, MS-SSIM and GMSD, for a little less PSNR.
LUMA_WEIGHTS = {2: 1.05, 3: 1.2, 4: 1.25, 5: 1.2}

#: Factor of chroma coefficients of the low band, and of this level and coarser ones. Chosen on training pictures: at
#: equal bytes large areas have truer colours, for a little less structure.
COARSE_CHROMA_WEIGHT, COARSE_CHROMA_LEVEL = 1.43, 7

#: Assumed position of a coefficient in its cell, in steps from the end nearer to zero.
PLACE = 0.45

#: The longer side of the low band is less than this, and at least half of this unless the picture itself is smaller.
LOW_BAND = 8

_STEPS = np.exp2(np.arange(32)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Band:
    """A rectangle of coefficients of one level and orientation.

    Attributes:
        level: 1 is the finest; the level of the low band is the number of levels.
        orientation: 0 is the low band, 1 horizontally high-pass (vertical edges), 2 vertically high-pass (horizontal
            edges), 3 both.
        top, left, height, width: position and size, in coefficients.
    """

    level: int
    orientation: int
    top: int
    left: int
    height: int
    width: int

    @property
    def area(self) -> tuple[slice, slice]:
        """Rows and columns of the band, to index the last two axes of coefficients."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)


def count_levels(width: int, height: int) -> int:
    """Return the number of levels: 7 for 512x512 pixels, which leaves a low band of 4x4; 0 below 8x8 pixels."""
    longer, levels = max(width, height), 0
    while longer >= LOW_BAND:
        longer, levels = (longer + 1) // 2, levels + 1
    return levels


def top_plane(width: int, height: int) -> int:
    """Return the highest bit plane: 14, a step of 16384, for 512x512 pixels. Each level doubles the flat part."""
    return count_levels(width, height) + 7


def texture_plane(width: int, height: int) -> int:
    """Return the lowest bit plane of the texture layer; the planes below are the detail layer: 9 for 512x512 pixels.

    Streams of typical pictures reach it after about 200 bytes.
    """
    return count_levels(width, height) + 2


def bands(width: int, height: int) -> Iterator[Band]:
    """Yield the bands from coarse to fine, without empty ones."""
    levels = count_levels(width, height)
    sizes = [(height, width)]
    for _ in range(levels):
        tall, wide = sizes[-1]
        sizes.append(((tall + 1) // 2, (wide + 1) // 2))
    yield Band(levels, 0, 0, 0, *sizes[levels])
    for level in range(levels, 0, -1):
        (tall, wide), (low, narrow) = sizes[level - 1], sizes[level]
        around = (
            Band(level, 1, 0, narrow, low, wide - narrow),
            Band(level, 2, low, 0, tall - low, narrow),
            Band(level, 3, low, narrow, tall - low, wide - narrow),
        )
        yield from (band for band in around if band.height and band.width)


def to_channels(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Convert colours, (H, W, 3) uint8 RGB -> (3, H, W) float32: luma from -128 to 127, and weighted chroma."""
    channels = np.empty((3, *picture.shape[:2]), np.float32)
    _to_channels(np.ascontiguousarray(picture), channels)
    return channels


def to_picture(channels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Invert `to_channels`, with rounding and clipping: (3, H, W) float32 -> (H, W, 3) uint8 RGB."""
    picture = np.empty((*channels.shape[1:], 3), np.uint8)
    _to_picture(np.ascontiguousarray(channels, np.float32), picture)
    return picture


def forward(channels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Transform channels and apply weights: (C, H, W) float32 samples -> (C, H, W) float32 coefficients, a new array.

    The first channel is luma.
    """
    coefficients = np.array(channels, np.float32, order="C")
    height, width = coefficients.shape[1:]
    for channel in coefficients:
        split(channel, count_levels(width, height))
    coefficients *= band_weights(width, height)[: len(coefficients)]
    return coefficients


def inverse(coefficients: NDArray[np.float32], skip: int = 0) -> NDArray[np.float32]:
    """Transform back.

    Args:
        coefficients: (C, H, W) float32; the first channel is luma.
        skip: number of the finest levels to leave out. Each of them halves the axes of the result, rounded up. The
            range of the samples stays the same.

    Returns:
        (C, H', W') float32 samples, in a new array.
    """
    height, width = coefficients.shape[1:]
    levels = count_levels(width, height)
    skip = min(skip, levels)
    weights = band_weights(width, height)
    gain = 1.0
    for _ in range(skip):
        gain *= (2**0.5 if height > 1 else 1.0) * (2**0.5 if width > 1 else 1.0)
        height, width = (height + 1) // 2, (width + 1) // 2
    samples = np.array(coefficients[:, :height, :width], np.float32, order="C")
    samples /= weights[: len(samples), :height, :width]
    for channel in samples:
        merge(channel, levels - skip)
    return samples if skip == 0 else samples * np.float32(1 / gain)


@lru_cache(maxsize=8)
def band_weights(width: int, height: int) -> NDArray[np.float32]:
    """Return the factor of each coefficient of a picture: float32 (3, H, W), read-only."""
    weights = np.ones((3, height, width), np.float32)
    for band in bands(width, height):
        if band.orientation:
            weights[0, *band.area] = LUMA_WEIGHTS.get(band.level, 1.0)
        if band.orientation == 0 or band.level >= COARSE_CHROMA_LEVEL:
            weights[1:, *band.area] = COARSE_CHROMA_WEIGHT
    weights.setflags(write=False)
    return weights


def magnitudes_at(coefficients: NDArray[np.float32], planes: NDArray[np.int8] | int, top: int) -> NDArray[np.int32]:
    """Quantise coefficients to magnitudes at the given bit planes.

    Args:
        coefficients: float32, any shape.
        planes: last known bit plane of each coefficient, int8 of the same shape, or one for all; `top` + 1 where no
            plane is known.
        top: the highest bit plane. Larger magnitudes are clipped to it.

    Returns:
        int32 of the same shape, 0 where no plane is known.
    """
    # Steps are powers of two, so products are exact. They are not negative, so truncation is the floor.
    known = (np.abs(coefficients) * (1 / steps_of(planes))).astype(np.int32)
    most = (1 << np.arange(top + 1, -1, -1, dtype=np.int32)) - 1
    return np.asarray(np.minimum(known, most[planes]), np.int32)


def steps_of(planes: NDArray[np.int8] | int) -> NDArray[np.float32]:
    """Return the steps of bit planes, 2^p: float32 of the shape of `planes`."""
    return np.asarray(_STEPS[planes], np.float32)


@compiled
def _to_channels(picture: NDArray[np.uint8], channels: NDArray[np.float32]) -> None:
    weight = np.float32(CHROMA_WEIGHT)
    for y in range(picture.shape[0]):
        for x in range(picture.shape[1]):
            red, green, blue = np.float32(picture[y, x, 0]), np.float32(picture[y, x, 1]), np.float32(picture[y, x, 2])
            luma = np.float32(0.299) * red + np.float32(0.587) * green + np.float32(0.114) * blue
            channels[0, y, x] = luma - np.float32(128)
            channels[1, y, x] = (blue - luma) * np.float32(1 / 1.772) * weight
            channels[2, y, x] = (red - luma) * np.float32(1 / 1.402) * weight


@compiled
def _to_picture(channels: NDArray[np.float32], picture: NDArray[np.uint8]) -> None:
    unweight = np.float32(1 / CHROMA_WEIGHT)
    half, least, most = np.float32(0.5), np.float32(0), np.float32(255)
    for y in range(picture.shape[0]):
        for x in range(picture.shape[1]):
            luma = channels[0, y, x] + np.float32(128)
            blue = luma + np.float32(1.772) * unweight * channels[1, y, x]
            red = luma + np.float32(1.402) * unweight * channels[2, y, x]
            green = (luma - np.float32(0.299) * red - np.float32(0.114) * blue) * np.float32(1 / 0.587)
            picture[y, x, 0] = np.uint8(min(max(red, least), most) + half)
            picture[y, x, 1] = np.uint8(min(max(green, least), most) + half)
            picture[y, x, 2] = np.uint8(min(max(blue, least), most) + half)
