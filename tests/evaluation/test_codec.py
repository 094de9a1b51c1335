"""The codec's measuring command, run as a person would."""

import json
from pathlib import Path

import pytest
from PIL import Image

from evaluation.codec import main
from tests.codec.pictures import draw_picture


def test_command_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(draw_picture()).save(tmp_path / "house.png")
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a red house\n")
    arguments = ["--images", str(tmp_path), "--prompts", str(prompts)]
    assert main([*arguments, "--json"]) == 0
    mean = json.loads(capsys.readouterr().out)["mean"]
    assert mean["total"] == mean["container"] + mean["text"] + mean["lines"] + mean["colors"]
    assert mean["total"] <= 655
    assert mean["f1"] > 0.8
    assert main(arguments) == 0
    assert "mean of 1 pictures" in capsys.readouterr().out


def test_command_tells_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--images", str(tmp_path), "--prompts", str(tmp_path / "none.txt")]) == 1
    assert "error" in capsys.readouterr().err
