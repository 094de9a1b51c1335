"""`layercast evaluate`: what it writes and reports, and how it refuses."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.layercast.conftest import Run
from tests.support.pictures import draw_picture

pytest.importorskip("imagecodecs")
pytest.importorskip("bjontegaard")
pytest.importorskip("matplotlib")

FILES = {"results.json", "summary.csv", "per-picture.csv", "bd-rate.csv", "compressai", "plots", "report.html", "cache"}


@pytest.fixture
def images(place: Path) -> Path:
    folder = place / "pictures"
    folder.mkdir()
    for number in range(2):
        Image.fromarray(draw_picture(128, 128 + 64 * number)).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text("a house", encoding="utf-8")
    return folder


def test_formats_alone(run: Run, images: Path, place: Path) -> None:
    line = ["evaluate", "--images", images, "-o", place / "out", "--codecs", "jpeg,webp"]
    line += ["--budgets", "600,900,1300,1900", "--figures", "psnr,ssim"]
    facts = json.loads(run(*line, "--json").out)
    assert facts["pictures"] == ["0.png", "1.png"]
    assert facts["points"] == []
    assert {(mean["contender"], mean["count"]) for mean in facts["means"]} == {("jpeg", 2), ("webp", 2)}
    assert {delta["anchor"] for delta in facts["bd_rates"]} == {"jpeg"}
    assert {path.name for path in (place / "out").iterdir()} == FILES
    assert len(list(csv.DictReader((place / "out" / "per-picture.csv").open()))) == 2 * 2 * 4 * 2

    shown = run(*line)
    assert shown.code == 0
    assert "BD-rate" in shown.out
    assert "--weights DIR" in shown.out


def test_layercast_with_parts_switched_off(run: Run, images: Path, place: Path) -> None:
    line = ["evaluate", "--images", images, "-o", place / "out", "--count", 1, "--codecs", "layercast,webp", "--canvas"]
    line += ["128x128", "--budgets", "500", "--figures", "psnr", "--without", "restoration,structure", "--levels"]
    facts = json.loads(run(*line, "--sheet", 1, "--blind", place / "out" / "blind.html", "--json").out)
    assert {mean["budget"] for mean in facts["means"]} == {500}
    means = {mean["contender"]: mean for mean in facts["means"]}
    names = ["layercast", "layercast without restoration", "layercast without structure"]
    names += [f"layercast up to {level}" for level in ("semantic", "structure", "texture")]
    assert set(means) == {*names, "webp"}
    assert all(mean["bytes"] <= 500 for mean in means.values())
    assert means["layercast up to semantic"]["bytes"] < means["layercast"]["bytes"]
    assert means["layercast"]["value"] > means["layercast up to semantic"]["value"]
    assert facts["pairs"] == 1
    assert {verdict["rival"] for verdict in facts["verdicts"]["layercast"]} == {"webp"}
    assert {path.name for path in (place / "out").iterdir()} == FILES | {"sheet.webp", "blind.html"}


def test_regressions_end_with_exit_code_1(run: Run, images: Path, place: Path) -> None:
    line = ("evaluate", "--images", images, "--codecs", "jpeg", "--budgets", "900", "--figures", "psnr")
    for folder in ("before", "after"):
        assert run(*line, "-o", place / folder, "-q").code == 0
    assert run("evaluate", "--compare", place / "before", place / "after" / "results.json").code == 0
    facts = json.loads((place / "after" / "results.json").read_text())
    for point in facts["points"]:
        point["figures"]["psnr"]["value"] -= 0.25
    (place / "after" / "results.json").write_text(json.dumps(facts))
    worse = run("evaluate", "--compare", place / "before", place / "after", "--json")
    assert worse.code == 1
    assert "worse by more than 1 step" in worse.err
    assert [change["figure"] for change in json.loads(worse.out)["worse"]] == ["psnr"]
    assert run("evaluate", "--compare", place / "before", place / "after", "--tolerance", "3").code == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--codecs", "bpg"), "codecs are layercast, jpeg"),
        (("--budgets", "many"), "--budgets takes whole numbers"),
        (("--budgets", "0"), "positive number of bytes"),
        (("--figures", "beauty"), "figures are psnr"),
        (("--metric", "vmaf"), "NAME:COMMAND"),
        (("--codecs", "jpeg", "--without", "structure"), "belong to layercast"),
        (("--without", "colour"), "what can be left out is"),
        (("--anchor", "webp", "--codecs", "jpeg"), "the anchor is one of jpeg"),
        (("--by", "ssim", "--figures", "psnr", "--codecs", "jpeg"), "--by takes one of"),
        (("--protocol", "kodak"), "has 24 pictures"),
        (("--protocol", "kodak", "--count", "1"), "512x768 or 768x512"),
        (("--jobs", "0", "--codecs", "jpeg"), "at least one process"),
        (("--blind", "x.html", "--codecs", "jpeg", "--budgets", "900"), "needs layercast and another format"),
    ],
)
def test_wrong_options(fails: Callable[..., str], images: Path, options: tuple[str, ...], message: str) -> None:
    assert message in fails(2, "evaluate", "--images", images, "-o", "out", *options)


def test_missing_options(fails: Callable[..., str], place: Path) -> None:
    assert "--images DIR -o DIR" in fails(2, "evaluate", "--images", place)
    assert "no picture in" in fails(2, "evaluate", "--images", place, "-o", place / "out")
