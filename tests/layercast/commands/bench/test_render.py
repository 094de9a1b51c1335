import json
from pathlib import Path

import pytest

from codec.layers import Layer
from layercast.samples import sample_paths
from receiver.rendering.settings.policies import FOLDER, load_limits
from tests.layercast.conftest import Run


@pytest.fixture
def pictures(place: Path) -> Path:
    """Two of the demo's pictures in a folder of their own."""
    folder = place / "pictures"
    folder.mkdir()
    for path in sample_paths()[:2]:
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


@pytest.mark.slow
def test_the_engine_is_measured(run: Run, tiny_model: Path, pictures: Path) -> None:
    line = ("bench", "render", "--model", tiny_model, "--device", "cpu", "--images", pictures, "--steps", "10")
    outcome = run(*line, "--rounds", "1", "--count", "1", "--json")
    measured = json.loads(outcome.out)
    assert measured["pictures"] == 1
    assert measured["speed"]["bare_s"] > 0
    assert measured["crowd"]["finished"] == 1
    assert [a["scenario"] for a in measured["arrivals"]] == ["words, lines, colours", "words, colours, lines"]
    assert all(10 <= a["passes"] <= 30 and a["full_passes"] == 30 for a in measured["arrivals"])
    assert {bar["what"] for bar in measured["bars"]} >= {"engine's step over a bare UNet forward"}


@pytest.mark.slow
def test_limits_are_measured_and_written(run: Run, tiny_model: Path, pictures: Path, place: Path) -> None:
    file = place / "limits.json"
    line = ("bench", "render", "--model", tiny_model, "--device", "cpu", "--images", pictures, "--steps", "10")
    outcome = run(*line, "--count", "1", "--policy", file)
    assert "recommended" in outcome.out
    written = json.loads(file.read_text())
    own, asked = written["tables"]
    assert own["steps"] < asked["steps"] == 10
    assert (own["least_steps"], asked["least_steps"]) == (1, (own["steps"] + 10) // 2)
    assert set(written["tables"][1]["limits"]) == {"semantic", "structure", "texture"}
    assert f"--model {tiny_model}" in written["recipe"]


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.json")), ids=lambda file: file.stem)
def test_shipped_limits_can_be_read_and_make_sense(file: Path) -> None:
    tables = load_limits(file.stem)
    assert 1 in tables
    for limits in tables.values():
        assert set(limits) == {Layer.SEMANTIC, Layer.STRUCTURE, Layer.TEXTURE}
        for one in limits.values():
            assert 0 <= one.join <= 1
            assert one.rewind_to <= one.rewind <= 1


def test_a_folder_without_pictures_is_told(run: Run, tiny_model: Path, place: Path) -> None:
    outcome = run("bench", "render", "--model", tiny_model, "--images", place / "nowhere")
    assert outcome.code == 2
    assert "no picture in" in outcome.err
