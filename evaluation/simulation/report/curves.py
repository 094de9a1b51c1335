"""The curves of reports: quality over time and bytes, shares of pictures over time, packets over time."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evaluation.simulation.grid.folder import jobs_of
from evaluation.simulation.grid.runner import FinishedGrid
from evaluation.simulation.report.intervals import Estimate
from evaluation.simulation.report.summary import each_result
from evaluation.simulation.scenario.cells import Cell

#: Points of a curve over time.
POINTS = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """Curves of one condition, all seeds and pictures together; by system.

    Attributes:
        condition: the condition's name.
        quality_over_time: (seconds, mean quality, half of the 95 % interval); without a picture the quality is 0.
        quality_over_bytes: (bytes of a picture on the link, mean quality).
        first: (seconds, share of the pictures that have a first frame).
        recognisable: (seconds, share of the pictures that are recognisable).
        packets: of the first seed: (seconds of arrival or loss, bytes, layer, cause, lost) of each packet.
        frames: of the first seed, by picture: (seconds, key, quality, bytes).
        offered: of the first seed: when each picture came.
        pictures: names of the pictures' stores.
    """

    condition: str
    quality_over_time: dict[str, list[tuple[float, float, float | None]]]
    quality_over_bytes: dict[str, list[tuple[float, float]]]
    first: dict[str, list[tuple[float, float]]]
    recognisable: dict[str, list[tuple[float, float]]]
    packets: dict[str, list[tuple[float, int, int, str, bool]]]
    frames: dict[str, list[list[tuple[float, str, float, int]]]]
    offered: list[float]
    pictures: list[str]


def curves_of(grid: FinishedGrid) -> list[Curves]:
    """Compute the curves of every condition."""
    groups: dict[str, list[dict[str, Any]]] = {}
    firsts: dict[str, Cell] = {}
    for cell, result in each_result(grid):
        groups.setdefault(cell.condition, []).append(result["systems"])
        firsts.setdefault(cell.condition, cell)
    return [_curves(firsts[condition], runs, grid) for condition, runs in groups.items()]


def _curves(cell: Cell, runs: Sequence[dict[str, Any]], grid: FinishedGrid) -> Curves:
    figure, span = grid.scenario.measures.figure, grid.scenario.measures.span
    systems = list(runs[0])
    last = max((f["t"] for run in runs for one in run.values() for frames in one["frames"] for f in frames), default=1)
    grid_times = _log_points(span[0], max(min(last * 1.3, span[1]), span[0] * 10))
    most = max(
        (f["bytes"] for run in runs for one in run.values() for frames in one["frames"] for f in frames), default=1
    )
    grid_bytes = _log_points(20.0, max(most * 1.05, 100.0))
    over_time, over_bytes = {}, {}
    for system in systems:
        per_seed = [[_mean_at(run[system]["frames"], "t", figure, t) for t in grid_times] for run in runs]
        over_time[system] = [
            (round(t, 4), *_interval([values[place] for values in per_seed])) for place, t in enumerate(grid_times)
        ]
        every = [frames for run in runs for frames in run[system]["frames"]]
        over_bytes[system] = [(round(b, 1), round(_mean_at(every, "bytes", figure, b), 4)) for b in grid_bytes]
    return Curves(
        condition=cell.condition,
        quality_over_time=over_time,
        quality_over_bytes=over_bytes,
        first={system: _shares(runs, system, "first_s") for system in systems},
        recognisable={system: _shares(runs, system, "recognisable_s") for system in systems},
        packets={system: _packets(runs[0][system]["events"]) for system in systems},
        frames={
            system: [
                [(f["t"], f["key"], f[figure], f["bytes"]) for f in frames] for frames in runs[0][system]["frames"]
            ]
            for system in systems
        },
        offered=[row[0] for row in sorted(_events(runs[0][systems[0]], "offered"), key=lambda row: row[2])],
        pictures=[grid.keys[job] for job in jobs_of(grid.scenario, cell.budget, cell.order)],
    )


def _log_points(start: float, end: float) -> list[float]:
    return [start * (end / start) ** (number / (POINTS - 1)) for number in range(POINTS)]


def _mean_at(pictures: Sequence[Sequence[dict[str, Any]]], axis: str, figure: str, value: float) -> float:
    """Return the mean quality of pictures, each by its last frame within a time or a number of bytes."""
    shown = [[frame[figure] for frame in frames if frame[axis] <= value] for frames in pictures]
    return float(sum(values[-1] for values in shown if values) / max(1, len(shown)))


def _interval(values: Sequence[float]) -> tuple[float, float | None]:
    estimate = Estimate.of(list(values))
    assert estimate.mean is not None
    return round(estimate.mean, 4), None if estimate.half_width is None else round(estimate.half_width, 4)


def _shares(runs: Sequence[dict[str, Any]], system: str, figure: str) -> list[tuple[float, float]]:
    values = [row[figure] for run in runs for row in run[system]["pictures"]]
    times = sorted(value for value in values if value is not None and math.isfinite(value))
    return [(round(t, 4), round((number + 1) / len(values), 4)) for number, t in enumerate(times)]


def _events(run: dict[str, Any], kind: str) -> list[list[Any]]:
    return [row for row in run["events"] if row[1] == kind]


def _packets(events: Sequence[Sequence[Any]]) -> list[tuple[float, int, int, str, bool]]:
    lost = {"arrived": False, "lost": True, "dropped": True, "corrupted": True}
    return [
        (round(t, 3), size, layer, cause, lost[event])
        for t, event, _picture, layer, cause, size, _section in events
        if event in lost
    ]
