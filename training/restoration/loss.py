"""Perceptual measures of the gain of a restored picture over the decoded one."""

import cv2
import numpy as np
from numpy.typing import NDArray

from codec.wavelet.transform import to_picture

#: Exponents of the scales of MS-SSIM (Z. Wang, E. P. Simoncelli, A. C. Bovik, 2003).
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def compare(
    restored: NDArray[np.float32], decoded: NDArray[np.float32], original: NDArray[np.float32]
) -> dict[str, float]:
    """Return the gains of restoration, channels (3, H, W) each: PSNR in dB of RGB, MS-SSIM and GMSD of luma."""
    before, after, goal = (to_picture(channels).astype(np.float32) for channels in (decoded, restored, original))
    luma = [channels[0] + np.float32(128) for channels in (decoded, restored, original)]
    gain = 10 * np.log10((np.square(before - goal).mean() + 1e-3) / (np.square(after - goal).mean() + 1e-3))
    return {
        "psnr": float(gain),
        "ms_ssim": ms_ssim(luma[1], luma[2]) - ms_ssim(luma[0], luma[2]),
        "gmsd": gmsd(luma[1], luma[2]) - gmsd(luma[0], luma[2]),
    }


def ms_ssim(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Return the MS-SSIM of two luma channels, (H, W) from 0 to 255."""
    product = 1.0
    for scale, exponent in enumerate(SCALES):
        mean_a, mean_b = _blurred(a), _blurred(b)
        variance_a, variance_b = _blurred(a * a) - mean_a**2, _blurred(b * b) - mean_b**2
        covariance = _blurred(a * b) - mean_a * mean_b
        similarity = (2 * covariance + 58.5225) / (variance_a + variance_b + 58.5225)
        if scale == len(SCALES) - 1:
            similarity = similarity * (2 * mean_a * mean_b + 6.5025) / (mean_a**2 + mean_b**2 + 6.5025)
        product *= max(float(similarity.mean()), 1e-6) ** exponent
        a, b = (cv2.resize(of, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for of in (a, b))
    return product


def gmsd(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Return the gradient magnitude similarity deviation (W. Xue et al., 2014) of two luma channels at half size.

    Lower is better.
    """
    kernel = np.array([[1, 0, -1]] * 3, np.float32) / 3
    magnitudes = []
    for luma in (a, b):
        small = cv2.resize(luma, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        magnitudes.append(np.hypot(cv2.filter2D(small, -1, kernel), cv2.filter2D(small, -1, kernel.T)))
    of_a, of_b = magnitudes
    return float(((2 * of_a * of_b + 170) / (of_a**2 + of_b**2 + 170)).std())


def _blurred(luma: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(luma, (11, 11), 1.5)[5:-5, 5:-5], np.float32)
