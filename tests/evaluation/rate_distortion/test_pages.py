"""The report, the blind comparison and the sheet, as people see them."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from evaluation.rate_distortion.bd_rate import bd_rates
from evaluation.rate_distortion.contenders import FormatContender
from evaluation.rate_distortion.files import Results, with_means
from evaluation.rate_distortion.pictures import EvaluatedPicture
from evaluation.rate_distortion.report.blind import blind_page, find_pairs
from evaluation.rate_distortion.report.chosen import Gallery
from evaluation.rate_distortion.report.html import embed, fill
from evaluation.rate_distortion.report.page import report_page
from evaluation.rate_distortion.report.plots import write_plots
from evaluation.rate_distortion.report.sheet import Column, draw_sheet
from evaluation.rate_distortion.summary import verdicts_of
from layercast_common.errors import UsageError
from tests.support.pictures import draw_picture

pytest.importorskip("imagecodecs")
pytest.importorskip("bjontegaard")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
needs_browser = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver")

BUDGETS, FIGURES = (500, 700, 1000, 1500), ("psnr", "gmsd")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with report.html and blind.html of two formats on two pictures."""
    folder = tmp_path_factory.mktemp("pages")
    for number in range(2):
        Image.fromarray(np.roll(draw_picture(128, 128), 40 * number, axis=1)).save(folder / f"<b>{number}.png")
    subjects = [EvaluatedPicture(path) for path in sorted(folder.glob("*.png"))]
    contenders = [FormatContender("webp"), FormatContender("jpeg")]
    points = [p for c in contenders for s in subjects for p in c.measure(s, BUDGETS, FIGURES)]
    results = Results(
        command="layercast evaluate --images '</script><b>'",
        version="1",
        machine="here",
        pictures=[subject.path.name for subject in subjects],
        budgets=BUDGETS,
        figures=FIGURES,
        contenders={contender.name: contender.settings for contender in contenders},
        left_out={"lpips": "it needs weights"},
    )
    results = with_means(results, points)
    gallery = Gallery(contenders, points, "psnr")
    verdicts = {"webp": verdicts_of(points, "webp", ["jpeg"])}
    page = report_page(results, verdicts, bd_rates(results.means, "jpeg"), gallery, subjects)
    (folder / "report.html").write_text(page, encoding="utf-8")
    pairs = find_pairs(gallery, "webp", ["jpeg"], subjects, (500, 1000))
    assert len(pairs) == 4
    (folder / "blind.html").write_text(blind_page(pairs, subjects, "psnr", results.command), encoding="utf-8")
    write_plots(results, folder)
    return folder


def test_pages_load_nothing(pages: Path) -> None:
    for name in ("report.html", "blind.html"):
        text = (pages / name).read_text(encoding="utf-8")
        assert not re.search(r"""<[^>]+ (?:src|href)=["']?(?!data:|%|#|["'])""", text)
        assert re.findall(r"https?://[^\"' ]+", text.replace("http://www.w3.org/2000/svg", "")) == []
        assert "<b>0" not in text
        assert "default-src 'none'" in text


def test_names_are_escaped_and_templates_filled_once() -> None:
    assert fill("%A% %B%", {"A": "%B%", "B": "x"}) == "%B% x"
    assert json.loads(embed({"a": "</script>"})) == {"a": "</script>"}
    assert "<" not in embed({"a": "</script>"})


def test_plots_of_every_figure(pages: Path) -> None:
    assert {path.name for path in (pages / "plots").iterdir()} == {
        f"{name}.{suffix}" for name in FIGURES for suffix in ("svg", "png")
    }
    assert "webp" in (pages / "plots" / "psnr.svg").read_text()


def test_a_sheet_keeps_the_shape_of_pictures() -> None:
    wide = np.full((32, 64, 3), 255, np.uint8)
    sheet = np.asarray(draw_sheet([Column("a", [wide] * 3), Column("b", [wide, None, wide])], abreast=2, side=64))
    assert sheet.shape == (18 + 2 * 68, 2 * (2 * 68 + 8), 3)
    white = (sheet[18:] == 255).all(axis=2)
    assert white.sum() == 5 * 64 * 32
    with pytest.raises(UsageError):
        draw_sheet([Column("a", [wide]), Column("b", [])])


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield browser
    browser.quit()


@needs_browser
@pytest.mark.parametrize(("width", "height"), [(390, 844), (1366, 900)])
def test_the_report_in_a_browser(pages: Path, browser: Any, width: int, height: int) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    browser.get((pages / "report.html").as_uri())
    run = browser.execute_script
    assert run("return document.documentElement.scrollWidth <= innerWidth")
    assert run("return document.querySelectorAll('#chart circle').length") == 2 * len(BUDGETS)
    run("document.querySelector('#legend button').click()")
    assert run("return document.querySelectorAll('#chart circle').length") == len(BUDGETS)
    run("const f = document.getElementById('figure'); f.value = 'gmsd'; f.dispatchEvent(new Event('change'))")
    assert run("return document.getElementById('direction').textContent") == "Less is better."
    assert run("return document.querySelectorAll('#verdicts td').length") == 8 * len(BUDGETS) * len(FIGURES)
    assert run("return document.querySelectorAll('#means tr').length") == 1 + 2 * len(BUDGETS)
    assert run("return document.getElementById('over').naturalWidth") == 512
    assert "lpips" in run("return document.querySelector('dl').textContent")
    assert browser.get_log("browser") == []


@needs_browser
def test_choices_without_names(pages: Path, browser: Any) -> None:
    browser.get((pages / "blind.html").as_uri())
    run = browser.execute_script
    assert "webp" not in run("return document.body.innerText").lower()
    left = run("return document.getElementById('left').src")
    run("show(true)")
    assert run("return document.getElementById('left').src === document.getElementById('right').src")
    run("show()")
    assert run("return document.getElementById('left').src") == left
    # Choose ours twice, the other once, and once neither.
    for chosen in ("ours", "rival", "ours", None):
        side = run("return order[choices.length].left ? ['left', 'right'] : ['right', 'left']")
        name = "none" if chosen is None else side[0 if chosen == "ours" else 1]
        run("document.getElementById(arguments[0]).click()", f"choose-{name}")
    assert run("return document.getElementById('task').hidden")
    choices = run("return choices")
    assert [choice["chosen"] for choice in choices] == ["ours", "rival", "ours", "no difference"]
    assert {choice["rival"] for choice in choices} == {"jpeg"}
    counts = run("return counts()")
    assert [count["budget"] for count in counts] == [500, 1000]
    assert sum(count["ours"] for count in counts) == 2
    assert sum(count["share_of_ours"] * 2 for count in counts) == pytest.approx(2.5)
    assert all(low <= count["share_of_ours"] <= high for count in counts for low, high in [count["interval"]])
    assert browser.get_log("browser") == []
