"""SSIMULACRA2 against the package that defines it here."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from evaluation.quality.ssimulacra2 import Ssimulacra2
from tests.support.pictures import draw_picture

package = pytest.importorskip("ssimulacra2")


@pytest.mark.parametrize(("width", "height"), [(128, 96), (131, 97)])
def test_the_packages_score(tmp_path: Path, width: int, height: int) -> None:
    original = draw_picture(width, height)
    Image.fromarray(original).save(tmp_path / "original.png")
    metric = Ssimulacra2(original)
    for sigma in (0.6, 3.0):
        drawn = np.asarray(cv2.GaussianBlur(original, (0, 0), sigma), np.uint8)
        Image.fromarray(drawn).save(tmp_path / "drawn.png")
        expected = package.compute_ssimulacra2(tmp_path / "original.png", tmp_path / "drawn.png")
        assert metric.score(drawn) == pytest.approx(expected, abs=0.05)


def test_a_picture_equals_itself() -> None:
    original = draw_picture(128, 128)
    assert Ssimulacra2(original).score(original) == pytest.approx(100, abs=0.01)
