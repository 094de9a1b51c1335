"""Summarises a grid: a row for each picture of each run, and means over pictures and seeds for each condition."""

import csv
import io
import json
import statistics
from collections.abc import Iterator
from typing import Any

from evaluation.simulation.grid.runner import FinishedGrid
from evaluation.simulation.report.intervals import Estimate
from evaluation.simulation.scenario.cells import Cell
from evaluation.simulation.transmission.events import CAUSES

#: Figures of a picture that are summarised. Times are those of pictures that reached them; "reached" has their share.
PICTURE_FIGURES = ("first_s", "recognisable_s", "nearly_final_s", "final_s", "final", "area", "bytes")
TIMES = ("first_s", "recognisable_s", "nearly_final_s", "final_s")

_AXES = ("link", "rate", "loss", "budget", "order", "transport", "repair")


def condition_key(cell: Cell) -> tuple[tuple[str, Any], ...]:
    """Return what cells that differ in their seed alone have in common."""
    return cell.axes


def each_result(grid: FinishedGrid) -> Iterator[tuple[Cell, dict[str, Any]]]:
    """Yield every cell with its result; each result is in memory only until the next."""
    for cell, name in zip(grid.cells, grid.results, strict=True):
        result = grid.folder.result(name)
        assert result is not None
        yield cell, result
        grid.folder.forget(name)


def names_of(grid: FinishedGrid) -> list[str]:
    """Return the pictures' names, in order."""
    return [image.stem for image in grid.scenario.images]


def summary_rows(grid: FinishedGrid) -> Iterator[list[Any]]:
    """Yield the head and the rows of summary.csv."""
    yield ["system", *_AXES, "seed", "picture", *PICTURE_FIGURES, "frames"]
    names = names_of(grid)
    for cell, result in each_result(grid):
        loss = round(cell.link.there.loss.mean, 6)
        values = {
            "link": cell.link.name,
            "rate": cell.link.mean_rate,
            "loss": loss,
            "budget": cell.budget,
            "order": cell.order,
            "transport": cell.transport,
            "repair": int(cell.repair),
        }
        for system, found in result["systems"].items():
            for name, row in zip(names, found["pictures"], strict=True):
                figures = [row[figure] for figure in (*PICTURE_FIGURES, "frames")]
                yield [system, *(values[axis] for axis in _AXES), cell.seed, name, *figures]


def summary_csv(grid: FinishedGrid) -> str:
    """Return summary.csv."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(summary_rows(grid))
    return out.getvalue()


def event_lines(grid: FinishedGrid) -> Iterator[str]:
    """Yield the lines of run.jsonl: the events of every run, in the order of cells, systems and time."""
    keys = ("t", "event", "picture", "layer", "cause", "bytes", "section")
    for number, (cell, result) in enumerate(each_result(grid)):
        for system, found in result["systems"].items():
            for row in found["events"]:
                values = {key: value for key, value in zip(keys, row, strict=True) if value not in (-1, "")}
                line = {"cell": number, "condition": cell.condition, "seed": cell.seed, "system": system, **values}
                yield json.dumps(line) + "\n"


def conditions_of(grid: FinishedGrid) -> list[dict[str, Any]]:
    """Return the means of every condition, as JSON: for each system and figure mean, 95 % interval and count.

    A repetition is a seed: its value is the mean over its pictures.
    """
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for cell, result in each_result(grid):
        group = found.setdefault(
            condition_key(cell), {"condition": cell.condition, **dict(cell.axes), "seeds": [], "runs": {}}
        )
        group["seeds"].append(cell.seed)
        for system, run in result["systems"].items():
            group["runs"].setdefault(system, []).append(_of_run(run))
    conditions = []
    for group in found.values():
        runs = group.pop("runs")
        group["systems"] = {system: _estimates(values) for system, values in runs.items()}
        conditions.append(group)
    return conditions


def _of_run(run: dict[str, Any]) -> dict[str, float | None]:
    pictures = run["pictures"]
    values: dict[str, float | None] = {}
    for figure in PICTURE_FIGURES:
        known = [row[figure] for row in pictures if row[figure] is not None]
        values[figure] = statistics.fmean(known) if known else None
        if figure in TIMES:
            values[f"{figure} reached"] = len(known) / len(pictures)
    values |= {f"{cause} bytes": run["causes"][cause] / len(pictures) for cause in CAUSES}
    values |= {f"layer {layer} bytes": size / len(pictures) for layer, size in run["layers"].items()}
    values |= {"dollars": run["dollars"], "joules": run["joules"], "airtime_s": run["airtime_s"] / len(pictures)}
    return values


def _estimates(runs: list[dict[str, float | None]]) -> dict[str, Any]:
    figures = dict.fromkeys(figure for run in runs for figure in run)
    return {figure: Estimate.of([run.get(figure) for run in runs]).row() for figure in figures}
