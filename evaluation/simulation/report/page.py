"""report.html: one page with all plots and pictures, which needs no network."""

import base64
import html
import json
from collections.abc import Iterable
from importlib.resources import files
from typing import Any

from PIL import Image

from codec.canvas import choose_canvas
from codec.reading.formats import FORMATS
from evaluation.simulation.grid.runner import FinishedGrid
from evaluation.simulation.pictures.store import Store
from evaluation.simulation.report.curves import Curves
from evaluation.simulation.report.facts import RunFacts
from evaluation.simulation.report.summary import names_of
from evaluation.simulation.transmission.cell import OURS
from layercast_common.errors import StorageError

#: The most bytes of pictures in a report; more are left out, from the last condition on.
MAX_PICTURES = 3_500_000

#: Columns of the table: title, figure of the summary, digits.
_COLUMNS = (
    ("first picture, s", "first_s"),
    ("recognisable, s", "recognisable_s"),
    ("recognisable share", "recognisable_s reached"),
    ("90 % of its end, s", "nearly_final_s"),
    ("last frame, s", "final_s"),
    ("last quality", "final"),
    ("area over log time", "area"),
    ("bytes", "bytes"),
    ("payload", "payload bytes"),
    ("framing", "framing bytes"),
    ("repeated", "retransmission bytes"),
    ("repair", "repair bytes"),
    ("acks", "acknowledgement bytes"),
    ("control", "control bytes"),
    ("transport", "transport bytes"),
    ("$", "dollars"),
    ("J", "joules"),
)

_LANES = ("control", "no layer", "semantic", "structure", "texture", "detail")


def report_page(grid: FinishedGrid, facts: RunFacts, conditions: list[dict[str, Any]], curves: list[Curves]) -> str:
    """Return the page.

    Args:
        grid: the finished grid.
        facts: command, seeds, version, machine.
        conditions: the summary's conditions.
        curves: the curves of the same conditions.
    """
    systems = list(conditions[0]["systems"])
    data = {
        "systems": systems,
        "figure": grid.scenario.measures.figure,
        "span": grid.scenario.measures.span,
        "pictures": names_of(grid),
        "aspects": [_aspect(grid, index) for index in range(len(grid.scenario.images))],
        "lanes": _LANES,
        "columns": [title for title, _ in _COLUMNS],
        "conditions": [
            {
                "condition": one.condition,
                "quality_over_time": one.quality_over_time,
                "quality_over_bytes": one.quality_over_bytes,
                "first": one.first,
                "recognisable": one.recognisable,
                "packets": one.packets,
                "frames": one.frames,
                "pictures": one.pictures,
                "rate_group": _group(summary),
                "table": [[name, *_cells(summary["systems"][name])] for name in systems],
            }
            for one, summary in zip(curves, conditions, strict=True)
        ],
        "over_rate": over_rate(conditions),
        "images": _images(grid, curves),
    }
    texts = {
        "TITLE": html.escape(f"{grid.scenario.name}: pictures over starved links"),
        "LEAD": html.escape(
            f"{len(grid.scenario.images)} pictures, {len(grid.cells)} runs, {facts.simulated_s:,.0f} s of link time in "
            f"{facts.simulation_s:,.1f} s of computing: {facts.speed_up:,.0f} times as fast as real time."
        ),
        "SYSTEMS": html.escape(
            f"{OURS} uses the shipped protocol over the simulated link. The others are files over a plain FIFO without "
            "any flaw on the same link: @bytes has at least the bytes of our stream, @quality is the smallest file as "
            f"good as our last frame by {grid.scenario.measures.figure}. Formats whose library decodes no prefix show "
            "nothing before their last byte."
        ),
        "RECOGNISABLE": html.escape(
            "A picture counts as recognisable with "
            + " and ".join(f"{name} of {bound:g}" for name, bound in grid.scenario.measures.recognisable)
            + "."
        ),
        "INTERVALS": "Mean and 95 % interval over seeds; times of the pictures that reached them.",
        "FACTS": "".join(
            f"<dt>{html.escape(name.replace('_', ' '))}</dt><dd>{html.escape(str(value))}</dd>"
            for name, value in facts.row().items()
        ),
        "STYLE": _static("report.css"),
        "SCRIPT": _static("report.js"),
        # "</script>" in a name must not end the element.
        "DATA": json.dumps(data, separators=(",", ":")).replace("</", "<\\/"),
    }
    page = _static("report.html")
    for name, text in texts.items():
        before, mark, after = page.partition(f"%{name}%")
        while mark:
            before += text
            rest, mark, after = after.partition(f"%{name}%")
            before += rest
        page = before
    return page


def over_rate(conditions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the time to the first recognisable picture over the grid's rates, by what else varies."""
    groups: dict[str, dict[str, list[list[float | None]]]] = {}
    for summary in conditions:
        if "rate" not in summary:
            continue
        curves = groups.setdefault(_group(summary), {})
        for system, figures in summary["systems"].items():
            found = figures["recognisable_s"]
            if found["mean"] is not None:
                curves.setdefault(system, []).append([summary["rate"], found["mean"], found["ci95"]])
    several = {name: curves for name, curves in groups.items() if any(len(points) > 1 for points in curves.values())}
    return [{"group": name, "curves": curves} for name, curves in several.items()]


def _group(summary: dict[str, Any]) -> str:
    """Return a condition's name without its rate."""
    rate = f"{summary['rate']:g} bit/s" if "rate" in summary else ""
    parts: Iterable[str] = summary["condition"].split(", ")
    return ", ".join(part for part in parts if part != rate)


def _cells(figures: dict[str, Any]) -> list[str]:
    cells = []
    for _, figure in _COLUMNS:
        found = figures.get(figure, {"mean": None, "ci95": None})
        mean, half = found["mean"], found["ci95"]
        cells.append("–" if mean is None else f"{mean:.4g}" + (f" ± {half:.2g}" if half else ""))
    return cells


def _aspect(grid: FinishedGrid, index: int) -> str:
    try:
        with Image.open(grid.scenario.images[index], formats=FORMATS) as picture:
            width, height = choose_canvas(picture.size, None)
    except OSError as error:
        raise StorageError.of(error, grid.scenario.images[index]) from error
    return f"{width}/{height}"


def _images(grid: FinishedGrid, curves: list[Curves]) -> dict[str, str]:
    """Return the pictures of all frames as data URLs, up to `MAX_PICTURES` bytes."""
    wanted: dict[tuple[str, str], None] = {}
    for one in curves:
        for index, store in enumerate(one.pictures):
            wanted[store, "original"] = None
            for frames in one.frames.values():
                wanted |= {(store, frame[1]): None for frame in frames[index]}
    found: dict[str, str] = {}
    size = 0
    for store, key in wanted:
        data = Store(grid.folder.pictures / store).get_bytes(f"{key}.webp")
        size += len(data) * 4 // 3
        if size > MAX_PICTURES:
            break
        found[f"{store}/{key}"] = f"data:image/webp;base64,{base64.b64encode(data).decode()}"
    return found


def _static(name: str) -> str:
    return files("evaluation.simulation.report").joinpath("static", name).read_text(encoding="utf-8")
