"""Colours: size, and visible difference from the true averages of the cells."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from codec.analysis.colors import average_colors
from codec.coders.colors.payload import encode_colors
from codec.color_difference import ciede2000, to_lab
from codec.container.bitstream import Bitstream, Coder, Header, Section
from codec.layers import ColorMap, Layer
from evaluation.codec.pictures import CANVAS, Measured, Track


@dataclass(frozen=True, slots=True)
class ColorsResult:
    """Size and fidelity of colours on 8x8 cells.

    Attributes:
        mean_bytes: mean size of a section, framing included.
        most_bytes: size of the largest section.
        difference: mean CIEDE2000 from the true averages, over all cells.
    """

    mean_bytes: float
    most_bytes: int
    difference: float


def measure_colors(pictures: Sequence[Measured], track: Track) -> ColorsResult:
    """Encode the averages of every picture's 64-pixel cells."""
    sizes, differences = [], []
    for picture in track(pictures, "colours"):
        true = average_colors(picture.pixels)
        section = Section(Layer.TEXTURE, Coder.COLORS, encode_colors(true))
        sizes.append(len(section.to_bytes()))
        decoded = Bitstream(Header(*CANVAS), (section,)).decode().texture
        assert decoded is not None
        differences.append(difference(decoded, true))
    return ColorsResult(float(np.mean(sizes)), max(sizes), float(np.mean(differences)))


def difference(decoded: ColorMap, true: ColorMap) -> float:
    """Return the mean CIEDE2000 over the cells of two maps of the same size."""
    return float(ciede2000(to_lab(true.colors), to_lab(decoded.colors)).mean())
