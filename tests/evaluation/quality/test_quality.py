"""The quality figures of pictures."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from evaluation.quality.gradients import gmsd
from evaluation.quality.quality import compare
from evaluation.quality.similarity import ssim


def _picture(seed: int = 0) -> NDArray[np.uint8]:
    random = np.random.default_rng(seed)
    picture = np.full((256, 320, 3), 90, np.uint8)
    for _ in range(12):
        x, y, radius = (int(value) for value in random.integers(20, 230, 3))
        color = tuple(int(value) for value in random.integers(0, 256, 3))
        cv2.circle(picture, (x, y), radius // 3, color, -1)
    return picture


def test_a_picture_equals_itself() -> None:
    same = compare(_picture(), _picture())
    assert same.edge_f1 > 0.9  # edges of the two are detected at different thresholds
    assert (same.gmsd, same.color_difference, same.ssim) == pytest.approx((0, 0, 1), abs=1e-6)
    assert same.psnr > 100


def test_every_figure_gets_worse_with_the_picture() -> None:
    picture = _picture()
    other = compare(_picture(1), picture)
    blurred = compare(np.asarray(cv2.GaussianBlur(picture, (0, 0), 3), np.uint8), picture)
    assert other.edge_f1 < blurred.edge_f1
    assert other.gmsd > blurred.gmsd
    assert other.color_difference > blurred.color_difference
    assert other.psnr < blurred.psnr
    assert other.ssim < blurred.ssim


def test_ssim_and_gmsd_as_worked_out_by_hand() -> None:
    flat, lighter = np.full((64, 64), 100, np.uint8), np.full((64, 64), 120, np.uint8)
    assert ssim(flat, lighter) == pytest.approx((2 * 100 * 120 + 6.5025) / (100**2 + 120**2 + 6.5025), rel=1e-4)
    assert gmsd(flat, lighter) == pytest.approx(0)
    half = flat.copy()
    half[:, 32:] = 200
    # Only the two columns of halved cells beside the step change by 100: their similarity is C / (100^2 + C).
    ratio = 170 / (100**2 + 170)
    values = np.array([ratio] * 2 + [1.0] * 30)
    assert gmsd(half, flat) == pytest.approx(values.std(), rel=1e-3)


def test_ssim_matches_scikit_image() -> None:
    """Reference: scikit-image 0.26, Gaussian weights, sigma 1.5, population covariance, data range 255."""
    gray, other = (np.asarray(cv2.cvtColor(_picture(seed), cv2.COLOR_RGB2GRAY), np.uint8) for seed in (0, 1))
    blurred = np.asarray(cv2.GaussianBlur(gray, (0, 0), 3), np.uint8)
    assert ssim(other, gray) == pytest.approx(0.8148634722770062, rel=1e-4)
    assert ssim(blurred, gray) == pytest.approx(0.9333101842308834, rel=1e-4)
