"""BD-rates, CompressAI's JSON, and the comparison of two results."""

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from evaluation.rate_distortion.bd_rate import bd_rates
from evaluation.rate_distortion.comparing import compare_results, worse
from evaluation.rate_distortion.compressai import curve_of, write_curves
from evaluation.rate_distortion.files import Results, with_means
from evaluation.rate_distortion.points import FigureValue, Point
from evaluation.rate_distortion.summary import Mean
from layercast_common.errors import UsageError

BUDGETS = (200, 400, 800, 1600, 3200)


def mean(contender: str, size: float, value: float, figure: str = "psnr", missing: int = 0) -> Mean:
    return Mean(
        contender=contender,
        budget=round(size),
        figure=figure,
        value=value,
        interval=0,
        bytes=size,
        bpp=size / 1000,
        encode_s=0.1,
        decode_s=0.2,
        count=3,
        missing=missing,
    )


def curve(contender: str, factor: float, figure: str = "psnr", sign: float = 1) -> list[Mean]:
    return [mean(contender, factor * size, sign * 4 * math.log2(size), figure) for size in BUDGETS]


@pytest.mark.parametrize(("figure", "sign"), [("psnr", 1), ("gmsd", -1)])
def test_a_curve_with_twice_the_bytes(figure: str, sign: float) -> None:
    pytest.importorskip("bjontegaard")
    means = curve("a", 1, figure, sign) + curve("twice", 2, figure, sign) + curve("less", 0.9, figure, sign)
    twice, less = bd_rates(means, "a")
    assert twice.contender == "twice"
    assert twice.percent == pytest.approx(100)
    assert less.percent == pytest.approx(-10)
    assert (less.points, less.warning) == ((5, 5), "")
    assert less.overlap == pytest.approx(1)


def test_doubts_are_said() -> None:
    pytest.importorskip("bjontegaard")
    far = [mean("far", 1000 * size, 100 + size / 100) for size in BUDGETS]
    near = [mean("near", size, 36 + 4 * math.log2(size / 200)) for size in BUDGETS]
    short = curve("short", 1)[:3]
    none, some, few = bd_rates([*curve("a", 1), *far, *near, *short], "a")
    assert (none.percent, none.overlap, none.warning) == (None, 0, "the curves do not overlap")
    assert some.percent is not None
    assert "overlap on" in some.warning
    assert few.percent is None
    assert "5 and 3" in few.warning


def test_points_that_do_not_rise_or_lack_pictures_are_left_out() -> None:
    pytest.importorskip("bjontegaard")
    other = curve("b", 1)
    other[1] = replace(other[1], value=0.0)
    other[4] = replace(other[4], missing=1)
    (delta,) = bd_rates([*curve("a", 1), *other], "a")
    assert delta.points == (5, 3)


def results_of(values: dict[str, float], size: int = 100) -> Results:
    """Results of two pictures at two budgets."""
    points = [
        Point(
            contender=name,
            picture=picture,
            budget=budget,
            size=(100, 80),
            figures={
                figure: FigureValue(value=value + budget / 1000, bytes=size, recipe=None, encode_s=0.1, decode_s=0.2)
                for figure, value in (("psnr", base), ("ms_ssim_rgb", base / 100))
            },
        )
        for name, base in values.items()
        for picture in ("0.png", "1.png")
        for budget in (300, 600)
    ]
    head = Results(
        command="layercast evaluate",
        version="1",
        machine="here",
        pictures=["0.png", "1.png"],
        budgets=[300, 600],
        figures=["psnr", "ms_ssim_rgb"],
        contenders=dict.fromkeys(values, "settings"),
    )
    return with_means(head, points)


def test_compressai_reads_the_curves(tmp_path: Path) -> None:
    results = results_of({"layercast without structure": 20.0})
    (file,) = write_curves(results, tmp_path)
    assert file.name == "layercast-without-structure.json"
    written = json.loads(file.read_text())
    assert written == curve_of(results, "layercast without structure")
    assert written["name"] == "layercast without structure"
    assert set(written["results"]) == {"bpp", "psnr-rgb", "ms-ssim-rgb", "encoding_time", "decoding_time"}
    assert written["results"]["psnr-rgb"] == pytest.approx([20.3, 20.6])
    assert written["results"]["bpp"] == pytest.approx([0.1, 0.1])
    pytest.importorskip("compressai", reason="CompressAI's own plot command")
    command = [sys.executable, "-m", "compressai.utils.plot", "-f", str(file), "-m", "psnr-rgb", "-o", "plot.png"]
    subprocess.run(command, cwd=tmp_path, check=True, env={"MPLBACKEND": "agg"})
    assert (tmp_path / "plot.png").stat().st_size > 1000


def test_a_contender_that_fits_nowhere_has_no_curve(tmp_path: Path) -> None:
    results = results_of({"a": 20.0})
    assert curve_of(replace(results, means=[replace(m, missing=1) for m in results.means]), "a") is None


def test_what_has_become_worse() -> None:
    before, after = results_of({"a": 20.0, "b": 20.0}), results_of({"a": 19.8, "b": 20.05})
    changes = compare_results(before, after)
    lost = worse(changes, 1.0)
    assert {(change.contender, change.budget) for change in lost} == {("a", 300), ("a", 600)}
    assert [change.steps for change in lost] == pytest.approx([-2, -2])
    assert worse(changes, 2.5) == []
    assert worse(compare_results(before, before), 0.0) == []


def test_more_bytes_and_missing_results_are_worse() -> None:
    before = results_of({"a": 20.0})
    bigger = worse(compare_results(before, results_of({"a": 20.0}, size=102)), 1.0)
    assert {change.figure for change in bigger} == {"bytes"}
    gone = worse(compare_results(results_of({"a": 20.0, "b": 20.0}), before), 1.0)
    assert {(change.contender, change.after) for change in gone} == {("b", None)}


def test_results_of_other_pictures_cannot_be_compared() -> None:
    with pytest.raises(UsageError, match="no picture in common"):
        compare_results(results_of({"a": 20.0}), replace(results_of({"a": 20.0}), pictures=["2.png"]))
