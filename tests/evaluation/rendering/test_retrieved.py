"""What mini retrieves for a prompt alone is its subject, measured on labelled prompts."""

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")

from evaluation.rendering.retrieved import main


def test_what_is_retrieved_is_the_subject(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["prompts"] == 200
    assert figures["right"] >= 0.9
    assert figures["found"] >= 0.8


def test_a_line_without_a_subject_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "prompts.tsv").write_text("dog\ta dog\na cat\n", encoding="utf-8")
    assert main(["--prompts", str(tmp_path / "prompts.tsv")]) == 1
    assert "line 2" in capsys.readouterr().err
