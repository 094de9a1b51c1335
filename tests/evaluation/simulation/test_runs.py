"""Whole runs: the shipped protocol and rivals over simulated links, grids that go on, reports."""

import csv
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from codec.container.bitstream import Bitstream
from codec.encoder.options import EncodeOptions
from codec.encoder.picture import encode_picture
from evaluation.simulation.grid.runner import FinishedGrid, local_mapper, run_grid
from evaluation.simulation.links.model import LinkDirection, SimulatedLink
from evaluation.simulation.links.profiles import named_link
from evaluation.simulation.report import plots
from evaluation.simulation.report.curves import curves_of
from evaluation.simulation.report.facts import RunFacts
from evaluation.simulation.report.intervals import Estimate
from evaluation.simulation.report.page import report_page
from evaluation.simulation.report.summary import conditions_of
from evaluation.simulation.report.writing import write_report
from evaluation.simulation.scenario.loading import parse_scenario
from evaluation.simulation.scenario.model import Measures, Scenario, Workload
from evaluation.simulation.transmission.events import RunRecord
from evaluation.simulation.transmission.fifo import FIFO_FRAMING, FifoRun, run_fifo
from evaluation.simulation.transmission.frames import ShownFrame
from evaluation.simulation.transmission.layered import LayeredRun, run_layered
from evaluation.simulation.transmission.measures import measure_picture
from evaluation.virtual_time import run_virtual
from layercast.samples import sample_paths
from protocol.link_profiles import LINKS


@pytest.fixture(scope="module")
def stream() -> Bitstream:
    return encode_picture(sample_paths()[0], EncodeOptions(prompt="a red fox in snow", budget=655)).stream


def deliver(
    stream: Bitstream,
    link: SimulatedLink,
    *,
    transport: str = "datagram",
    count: int = 3,
    seed: int = 0,
    **workload: object,
) -> RunRecord:
    record = RunRecord()
    run = LayeredRun(
        link=link,
        transport=transport,
        order="paper",
        repair=True,
        seed=seed,
        workload=Workload(**workload),  # type: ignore[arg-type]
        streams=[stream] * count,
        times=[20.0 * number for number in range(count)],
    )
    run_virtual(run_layered(run, record))
    return record


def done(record: RunRecord) -> set[int]:
    return {event.picture for event in record.events if event.event == "done"}


@pytest.mark.parametrize("transport", ["datagram", "websocket", "webrtc", "mqtt"])
@pytest.mark.parametrize("link", ["gsm", "2g-edge", "ntn-geo", "sat-l-band"])
def test_every_picture_arrives(stream: Bitstream, link: str, transport: str) -> None:
    record = deliver(stream, named_link(link), transport=transport)
    assert done(record) == {0, 1, 2}
    sections = [(event.picture, event.section) for event in record.events if event.event == "section"]
    assert sorted(sections) == [(picture, section) for picture in range(3) for section in range(len(stream.sections))]
    # Every payload byte is on the link once under its own cause; repetitions have theirs.
    assert record.causes["payload"] == 3 * sum(len(section.payload) for section in stream.sections)


def test_losses_of_a_websocket_are_repaired_below_the_protocol(stream: Bitstream) -> None:
    lossy = SimulatedLink.of(replace(LINKS["gsm"], loss=0.2))
    record = deliver(stream, lossy, transport="websocket")
    assert done(record) == {0, 1, 2}
    assert record.causes["retransmission"] > 0
    assert record.causes["repair"] == 0
    # Nothing overtakes: sections arrive in the order in which they were sent.
    sections = [event.section for event in record.events if event.event == "section" and event.picture == 2]
    assert sections == sorted(sections)


def test_the_same_seed_gives_the_same_events(stream: Bitstream) -> None:
    link = named_link("2g-edge")
    assert deliver(stream, link, seed=1).events == deliver(stream, link, seed=1).events
    assert deliver(stream, link, seed=1).events != deliver(stream, link, seed=2).events


def test_senders_share_a_link(stream: Bitstream) -> None:
    alone = deliver(stream, named_link("gsm"), count=1)
    shared = deliver(stream, named_link("gsm"), count=6, senders=6)
    assert done(shared) == set(range(6))
    assert shared.causes["control"] > alone.causes["control"]


def test_pictures_wait_for_a_late_receiver_and_survive_a_restart(stream: Bitstream) -> None:
    link = named_link("iridium")
    late = deliver(stream, link, joins_at=100.0)
    assert done(late) == {0, 1, 2}
    assert min(event.t for event in late.events if event.event == "opened") > 100
    # The receiver forgets a picture in the middle, and gets it again.
    restarted = deliver(stream, link, restarts=(2.0,), away=3.0)
    assert done(restarted) == {0, 1, 2}
    assert min(event.t for event in restarted.events if event.event == "done") > 5


def test_a_picture_past_its_lifetime_is_not_finished(stream: Bitstream) -> None:
    slow = SimulatedLink(name="slow", there=LinkDirection(rate=200), back=LinkDirection(rate=200))
    assert done(deliver(stream, slow, count=1, lifetime=5.0)) == set()
    assert done(deliver(stream, slow, count=1)) == {0}


def test_pictures_wait_for_the_next_pass(stream: Bitstream) -> None:
    link = named_link("ntn-leo")
    record = RunRecord()
    run = LayeredRun(
        link=link,
        transport="datagram",
        order="paper",
        repair=True,
        seed=0,
        workload=Workload(),
        streams=[stream],
        times=[600.0],
    )
    run_virtual(run_layered(run, record))
    (finished,) = [event.t for event in record.events if event.event == "done"]
    assert 5800 < finished < 5800 + 30


def test_a_fifo_is_as_fast_as_the_link() -> None:
    link = SimulatedLink(name="x", there=LinkDirection(rate=8000, delay=0.5), back=LinkDirection(), mtu=208)
    record = RunRecord()
    sizes, end = [1000, 300], 100.0
    run_fifo(
        FifoRun(link=link, transport="datagram", seed=0, sizes=sizes, times=[0, 0], joins_at=0, lifetime=0, end=end),
        record,
    )
    finished = {event.picture: event.t for event in record.events if event.event == "done"}
    first = (1000 + 5 * FIFO_FRAMING) / 1000
    assert finished == {0: pytest.approx(first + 0.5), 1: pytest.approx(first + (300 + 2 * FIFO_FRAMING) / 1000 + 0.5)}


def test_a_fifo_repeats_what_was_lost_and_shows_no_gap() -> None:
    link = parse_scenario(
        {"images": str(sample_paths()[0]), "links": {"x": {"rate": 8000, "delay": 0.1, "loss": 0.3, "mtu": 108}}},
        Path(),
        name="x",
    ).links[0]
    record = RunRecord()
    run_fifo(
        FifoRun(link=link, transport="datagram", seed=1, sizes=[2000], times=[0], joins_at=0, lifetime=0, end=1000),
        record,
    )
    parts = [event.size for event in record.events if event.event == "part"]
    assert parts == sorted(set(parts))
    assert parts[-1] == 2000
    losses = sum(event.event == "lost" for event in record.events)
    assert losses > 2
    assert sum(event.event == "sent" for event in record.events) == 20 + losses


def frame(t: float, ssim: float, edge_f1: float = 1.0) -> ShownFrame:
    return ShownFrame(t, 100, "x", {"ssim": ssim, "edge_f1": edge_f1})


def test_figures_over_time() -> None:
    found = measure_picture([frame(1, 0.4), frame(2, 0.6, 0.1), frame(10, 0.8)], 300, Measures(span=(0.1, 100)))
    assert (found.first_s, found.recognisable_s, found.final_s, found.final) == (1, 10, 10, 0.8)
    assert found.nearly_final_s == 10
    # One decade without a picture, then a step function over the logarithm of time; three decades in all.
    two = 0.30103
    assert found.area == pytest.approx((0.4 * two + 0.6 * (1 - two) + 0.8) / 3, abs=1e-5)
    nothing = measure_picture([], 5, Measures())
    assert (nothing.first_s, nothing.final, nothing.area, nothing.frames) == (None, None, 0, 0)


def test_intervals_are_students() -> None:
    # Twice the standard error 1 at 4 degrees of freedom: t = 2.776.
    values: list[float | None] = [1.0, 2.0, 3.0, 4.0, 5.0, None]
    estimate = Estimate.of(values)
    assert (estimate.mean, estimate.count) == (3, 5)
    assert estimate.half_width == pytest.approx(2.776 * (2.5 / 5) ** 0.5)
    assert Estimate.of([4.0]).half_width is None
    assert Estimate.of([None]).mean is None


def scenario_in(folder: Path) -> Scenario:
    pictures = folder / "pictures"
    pictures.mkdir(exist_ok=True)
    for path in sample_paths()[:2]:
        with Image.open(path) as picture:
            picture.resize((256, 256)).save(pictures / path.name)
        (pictures / f"{path.stem}.txt").write_text("a picture")
    return parse_scenario(
        {
            "images": "pictures",
            "link": ["gsm"],
            "rivals": {"formats": ["jpeg-progressive", "webp"], "sizes": ["quality"]},
            "grid": {"rates": [2400, 9600], "losses": [0.05], "seeds": 2},
        },
        folder,
        name="small",
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FinishedGrid]:
    folder = tmp_path_factory.mktemp("simulation")
    with local_mapper(1) as mapper:
        yield run_grid(scenario_in(folder), folder / "out", mapper, lambda *_: None)


REPEATABLE = ("run.jsonl", "summary.csv", "quality-over-time.svg", "packets.png", "recognisable-over-rate.svg")


def test_a_grid_reports_and_its_reports_repeat(
    finished: FinishedGrid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # matplotlib takes most of the time of a report; two panels show as much as four.
    monkeypatch.setattr(plots, "MAX_PANELS", 2)
    facts = RunFacts.of(finished, command="layercast simulate small.toml", wall_s=1.0)
    written = write_report(finished, facts, lambda *_: None)
    out = finished.folder.folder
    assert {path.name for path in written.files} >= {"report.html", "summary.json", *REPEATABLE}
    rows = list(csv.DictReader((out / "summary.csv").open()))
    assert len(rows) == 4 * 3 * 2
    assert {row["system"] for row in rows} == {
        "layercast",
        "jpeg-progressive@quality",
        "webp@quality",
    }
    events = [json.loads(line) for line in (out / "run.jsonl").open()]
    assert {"offered", "sent", "arrived", "section", "done"} <= {event["event"] for event in events}
    condition = written.summary["conditions"][0]["systems"]["layercast"]
    assert condition["first_s"]["n"] == 2
    # A rival as good as ours in the end is as good as ours in the end.
    for row in written.summary["conditions"]:
        ours = row["systems"]["layercast"]["final"]["mean"]
        assert row["systems"]["webp@quality"]["final"]["mean"] >= ours - 1e-4
    page = (out / "report.html").read_text()
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")
    assert facts.command in page
    before = {name: (out / name).read_bytes() for name in REPEATABLE}
    with local_mapper(1) as mapper:
        again = run_grid(finished.scenario, tmp_path / "again", mapper, lambda *_: None)
    write_report(again, facts, lambda *_: None)
    assert {name: (tmp_path / "again" / name).read_bytes() for name in REPEATABLE} == before


CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


@pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver")
def test_the_page_works_in_a_browser_without_a_network(finished: FinishedGrid, tmp_path: Path) -> None:
    from selenium import webdriver

    facts = RunFacts.of(finished, command="layercast simulate </script><b>", wall_s=1.0)
    conditions, curves = conditions_of(finished), curves_of(finished)
    page = tmp_path / "report.html"
    page.write_text(report_page(finished, facts, conditions, curves))
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(flag)
    with webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER)) as browser:
        for width in (390, 1366):
            screen = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
            browser.get(page.as_uri())
            assert browser.execute_script("return document.documentElement.scrollWidth") <= width
            # At the end of the time every system shows its picture, and the original stands beside them.
            shown = "return [...document.querySelectorAll('#tiles img')].filter((one) => one.naturalWidth > 0).length"
            browser.execute_async_script("requestAnimationFrame(() => setTimeout(arguments[0], 300))")
            assert browser.execute_script(shown) == 4
            browser.execute_script("document.getElementById('time').value = 0; drawTiles()")
            assert browser.execute_script(shown) == 1
            assert browser.execute_script("return document.querySelectorAll('.chart svg').length") == 6
        assert browser.get_log("browser") == []
        messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
        urls = {one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"}
        # The browser's own first page loads itself.
        assert {url for url in urls if not url.startswith(("data:", "chrome:"))} == {page.as_uri()}


def test_a_grid_goes_on_where_it_was(finished: FinishedGrid) -> None:
    cells = sorted((finished.folder.folder / "cells").glob("*.json"))
    contents = {path.name: path.read_bytes() for path in cells}
    stamps = {path.name: path.stat().st_mtime_ns for path in cells}
    cells[1].unlink()
    # Half a file, as a power failure may leave it.
    cells[2].write_bytes(contents[cells[2].name][:100])
    with local_mapper(1) as mapper:
        again = run_grid(finished.scenario, finished.folder.folder, mapper, lambda *_: None)
    assert again.reused == 2
    for path in cells:
        assert json.loads(path.read_bytes())["systems"] == json.loads(contents[path.name])["systems"]
        assert (path.stat().st_mtime_ns == stamps[path.name]) == (path not in cells[1:3])
