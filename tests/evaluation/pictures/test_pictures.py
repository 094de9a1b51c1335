"""Pictures measured at every level, against other formats."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evaluation.pictures.__main__ import main
from evaluation.pictures.competitors import candidates, load_formats
from tests.support.pictures import draw_picture


@pytest.fixture
def images(tmp_path: Path) -> Path:
    Image.fromarray(draw_picture()).save(tmp_path / "house.png")
    (tmp_path / "house.txt").write_text("a house", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("name", ["WebP", "AVIF", "JPEG", "JPEG XL"])
def test_formats_take_at_least_as_many_bytes(name: str) -> None:
    codec = next(codec for codec in load_formats() if codec.name == name)
    picture = np.ascontiguousarray(draw_picture()[:256, :256])
    found = candidates(picture, 700, codec)
    assert found
    assert all(coded.size >= 700 and coded.pixels.shape == picture.shape for coded in found)
    assert min(np.abs(coded.pixels.astype(float) - picture).mean() for coded in found) < 25


def test_measured_at_every_level(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--images", str(images), "--budget", "500", "--no-formats", "--json"]) == 0
    (result,) = json.loads(capsys.readouterr().out)["results"]
    assert result["mean_bytes"] <= 500
    levels = result["levels"]
    assert list(levels) == ["semantic", "structure", "texture"]
    assert levels["structure"]["quality"]["edge_f1"] > levels["semantic"]["quality"]["edge_f1"]
    assert levels["texture"]["quality"]["color_difference"] < levels["structure"]["quality"]["color_difference"]


def test_a_sheet(images: Path, tmp_path: Path) -> None:
    assert main(["--images", str(images), "--sheet", str(tmp_path / "sheet.png")]) == 0
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 5 * 128


def test_no_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--images", str(tmp_path)]) == 1
    assert "no picture" in capsys.readouterr().err
