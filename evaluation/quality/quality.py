"""Quality figures of a picture against its original; the same for every competitor."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.quality.reference import Reference


@dataclass(frozen=True, slots=True)
class Quality:
    """Quality of a picture against its original.

    Attributes:
        edge_f1: F1 of its edges within 4 pixels of the original's, 0 to 1; more is better.
        gmsd: gradient magnitude similarity deviation; less is better.
        color_difference: mean CIEDE2000 over cells of 64 pixels; less is better.
        psnr: peak signal-to-noise ratio of RGB, in dB; more is better.
        ssim: structural similarity of grey, up to 1; more is better.
    """

    edge_f1: float
    gmsd: float
    color_difference: float
    psnr: float
    ssim: float


def compare(drawn: NDArray[np.uint8], original: NDArray[np.uint8]) -> Quality:
    """Compare a picture with its original; both (H, W, 3) uint8 RGB of one size."""
    found = Reference(original).measure(drawn, ("edge_f1", "gmsd", "ciede2000", "psnr", "ssim"))
    return Quality(found["edge_f1"], found["gmsd"], found["ciede2000"], found["psnr"], found["ssim"])
