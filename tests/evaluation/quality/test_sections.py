"""evaluation.quality.sections: quality after every section."""

import json
from pathlib import Path

import pytest
from PIL import Image

from evaluation.quality.sections import main, summarise
from tests.support.pictures import draw_picture


def test_gains_and_losses_are_found() -> None:
    good = summarise([[10.0, 12.0, 13.0], [20.0, 21.0]])
    assert (good["means"], good["largest_loss"], good["passed"]) == ([15.0, 16.5, 13.0], 0.0, True)
    assert good["smallest_gain"] == pytest.approx(1.0)
    assert not summarise([[10.0, 12.0], [20.0, 19.8]])["passed"]
    assert not summarise([[10.0, 9.95]])["passed"]


def test_a_folder_of_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(draw_picture(128, 128)).save(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text("a house", encoding="utf-8")
    assert main(["--images", str(tmp_path), "--budget", "900", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert len(report["means"]) > 3
    assert report["means"] == sorted(report["means"])
    assert main(["--images", str(tmp_path), "--budget", "900"]) == 0
    assert "largest loss of a picture 0.00 dB" in capsys.readouterr().out
