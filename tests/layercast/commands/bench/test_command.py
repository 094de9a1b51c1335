import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from PIL import Image

from evaluation.codec import CodecReport, measure_codec, speed
from evaluation.codec.pictures import Track
from layercast.cli import build_parser
from tests.layercast.conftest import Run
from tests.support.pictures import draw_picture


@pytest.fixture
def measured(place: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """The command line that measures the codec with one picture."""
    monkeypatch.setattr(speed, "COLD_STARTS", 1)
    (place / "pictures").mkdir()
    Image.fromarray(draw_picture()).save(place / "pictures" / "house.png")
    (place / "prompts.txt").write_text("a red house\n")
    return "bench", "codec", "--images", "pictures", "--prompts", "prompts.txt"


def test_codec_reports_for_people_and_for_scripts(
    run: Run, measured: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("imagecodecs")
    # The second report is of the same measurement, which takes seconds.
    results: list[CodecReport] = []

    def measure_once(images: Path, prompts: Sequence[Path], limit: int, track: Track) -> CodecReport:
        if not results:
            results.append(measure_codec(images, prompts, limit, track))
        return results[0]

    monkeypatch.setattr("evaluation.codec.measure_codec", measure_once)
    facts = json.loads(run(*measured, "--json").out)
    assert facts["pictures"] == 1
    assert [bar["met"] for bar in facts["bars"]] == [
        (bar["figure"] >= bar["bound"] if bar["at_least"] else bar["figure"] <= bar["bound"]) for bar in facts["bars"]
    ]

    outcome = run(*measured, "--quiet")
    assert (outcome.code, outcome.err) == (0, "")
    assert "64/128/256" in outcome.out
    assert outcome.out.count(" met") + outcome.out.count("missed") == len(facts["bars"])


def test_what_is_missing_is_told_at_once(fails: Callable[..., str], measured: tuple[str, ...], place: Path) -> None:
    assert "No such file" in fails(1, *measured[:-1], "none.txt")
    (place / "pictures" / "house.png").unlink()
    assert "no picture" in fails(2, *measured)


def test_a_missing_library_is_told_with_the_way_out(
    fails: Callable[..., str], measured: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    assert fails(1, *measured).endswith("pip install 'layercast[bench]'")


@pytest.mark.parametrize("line", [("bench", "-q", "codec"), ("bench", "codec", "-q")])
def test_loudness_may_stand_before_or_after_the_subject(line: tuple[str, ...]) -> None:
    options = build_parser().parse_args([*line, "--images", "pictures", "--prompts", "prompts.txt"])
    assert (options.quiet, options.verbose) == (True, False)


def test_priority_is_measured_and_fails_beyond_its_bound(run: Run, fails: Callable[..., str]) -> None:
    measure = "bench", "priority", "--virtual", "--link", "gsm", "--queued", "3000", "--pictures", "1"
    facts = json.loads(run(*measure, "--json").out)
    assert facts["holds"]
    assert 0 < facts["unhindered_seconds"] <= facts["worst_seconds"] <= 1.5
    missed = run(*measure, "--bound", "0.001")
    assert (missed.code, "0.001 s are allowed" in missed.err) == (1, True)
    assert "no link is called" in fails(2, *measure, "--link", "none")
