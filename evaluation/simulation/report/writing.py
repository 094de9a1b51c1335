"""Writes everything that a simulation reports into its folder."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.simulation.grid.runner import FinishedGrid
from evaluation.simulation.report.curves import curves_of
from evaluation.simulation.report.facts import RunFacts
from evaluation.simulation.report.page import report_page
from evaluation.simulation.report.plots import write_plots
from evaluation.simulation.report.summary import conditions_of, event_lines, summary_csv
from layercast_common.errors import MissingExtraError, StorageError
from layercast_common.files import save_whole
from layercast_common.stopping.unfinished import unfinished


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenReport:
    """What was written.

    Attributes:
        summary: the content of summary.json.
        files: the files.
        notes: what is missing and why, for people.
    """

    summary: dict[str, Any]
    files: tuple[Path, ...]
    notes: tuple[str, ...]


def write_report(grid: FinishedGrid, facts: RunFacts, progress: Callable[[str, int, int], None]) -> WrittenReport:
    """Write run.jsonl, summary.csv, summary.json, the plots and report.html.

    run.jsonl, summary.csv and the plots are the same, byte for byte, for the same scenario, version and machine;
    summary.json is but for "run", which has the times of this run.

    Raises:
        StorageError: a file cannot be written.
    """
    steps = 5
    progress("report", 0, steps)
    conditions = conditions_of(grid)
    summary = {
        "scenario": grid.scenario.name,
        "figure": grid.scenario.measures.figure,
        "recognisable": dict(grid.scenario.measures.recognisable),
        "pictures": [image.name for image in grid.scenario.images],
        "conditions": conditions,
        "run": facts.row(),
    }
    folder = grid.folder.folder
    _write_lines(grid, folder / "run.jsonl")
    progress("report", 1, steps)
    save_whole(summary_csv(grid), folder / "summary.csv")
    save_whole(json.dumps(summary, indent=1) + "\n", folder / "summary.json")
    files = [folder / name for name in ("run.jsonl", "summary.csv", "summary.json")]
    progress("report", 2, steps)
    curves = curves_of(grid)
    save_whole(report_page(grid, facts, conditions, curves), folder / "report.html")
    files.append(folder / "report.html")
    progress("report", 3, steps)
    notes = []
    try:
        files += write_plots(folder, curves, conditions, figure=grid.scenario.measures.figure, facts=facts.line)
    except MissingExtraError as error:
        notes.append(f"no SVG and PNG plots: {error}")
    progress("report", steps, steps)
    return WrittenReport(summary=summary, files=tuple(files), notes=tuple(notes))


def _write_lines(grid: FinishedGrid, path: Path) -> None:
    try:
        with unfinished(path.with_name(f".{path.name}.part")) as temporary:
            with temporary.open("w", encoding="utf-8") as file:
                file.writelines(event_lines(grid))
            temporary.replace(path)
    except OSError as error:
        raise StorageError.of(error, path) from error
