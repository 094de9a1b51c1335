"""MS-SSIM and the choice of figures."""

import math

import cv2
import numpy as np
import pytest

from evaluation.quality.figures import FIGURES, parse_figures
from evaluation.quality.reference import Reference
from evaluation.quality.similarity import SCALE_WEIGHTS, Similarity, ms_ssim
from layercast_common.errors import UsageError
from tests.support.pictures import draw_picture

ORIGINAL = draw_picture(256, 192)
BLURRED = np.asarray(cv2.GaussianBlur(ORIGINAL, (0, 0), 2), np.uint8)


def test_equal_pictures() -> None:
    assert ms_ssim(ORIGINAL, ORIGINAL) == pytest.approx(1)


def test_flat_pictures_differ_only_at_the_coarsest_scale() -> None:
    flat, lighter = np.full((192, 192), 100, np.uint8), np.full((192, 192), 120, np.uint8)
    light = (2 * 100 * 120 + 6.5025) / (100**2 + 120**2 + 6.5025)
    assert ms_ssim(lighter, flat) == pytest.approx(light ** SCALE_WEIGHTS[-1], rel=1e-4)


def test_channels_are_averaged() -> None:
    each = [ms_ssim(BLURRED[..., channel].copy(), ORIGINAL[..., channel].copy()) for channel in range(3)]
    assert ms_ssim(BLURRED, ORIGINAL) == pytest.approx(np.mean(each), rel=1e-5)


def test_a_picture_too_small_for_five_scales_has_no_ms_ssim() -> None:
    small = ORIGINAL[:100, :100].copy()
    single, several = Similarity(small).both(small)
    assert single == pytest.approx(1)
    assert math.isnan(several)


def test_every_figure_is_better_for_the_better_picture() -> None:
    pytest.importorskip("ssimulacra2")
    reference = Reference(ORIGINAL)
    blurred, worse = (
        reference.measure(drawn, tuple(FIGURES))
        for drawn in (BLURRED, np.asarray(cv2.GaussianBlur(ORIGINAL, (0, 0), 8), np.uint8))
    )
    assert list(blurred) == list(FIGURES)
    assert [name for name, figure in FIGURES.items() if not figure.is_better(blurred[name], worse[name])] == []


def test_the_best_of_several() -> None:
    assert FIGURES["psnr"].best([20.0, math.nan, 30.0]) == 2
    assert FIGURES["gmsd"].best([math.nan, 0.2, 0.1]) == 2


def test_names_of_figures() -> None:
    assert parse_figures("PSNR, ms-ssim,psnr") == ("psnr", "ms_ssim")
    assert parse_figures("all") == tuple(FIGURES)
    for text in ("", "psnr,vmaf"):
        with pytest.raises(UsageError, match="figures are psnr"):
            parse_figures(text)
