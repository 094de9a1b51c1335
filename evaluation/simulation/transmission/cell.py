"""Runs one cell of the grid: our system and every rival, and what a watcher saw of each picture."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evaluation.simulation.pictures.prepared import PreparedPicture
from evaluation.simulation.scenario.arrivals import arrival_times
from evaluation.simulation.scenario.cells import Cell
from evaluation.simulation.scenario.model import Scenario
from evaluation.simulation.transmission.events import CAUSES, RunRecord
from evaluation.simulation.transmission.fifo import FifoRun, run_fifo
from evaluation.simulation.transmission.frames import ShownFrame, layered_frames, rival_frames
from evaluation.simulation.transmission.layered import LayeredRun, run_layered
from evaluation.simulation.transmission.measures import measure_picture
from evaluation.virtual_time import run_virtual

#: The name of our system in results.
OURS = "layercast"


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRun:
    """What a cell produced.

    Attributes:
        systems: results of each system, by name, as JSON; the same for the same scenario.
        simulated_s: virtual time of all systems, in seconds.
        processor_s: processor time that it took, in seconds.
    """

    systems: dict[str, Any]
    simulated_s: float
    processor_s: float


def run_cell(scenario: Scenario, cell: Cell, pictures: Sequence[PreparedPicture], cost: tuple[float, float]) -> CellRun:
    """Run a cell.

    Args:
        scenario: the scenario.
        cell: the cell.
        pictures: the prepared pictures, in the scenario's order.
        cost: seconds until the first and the last frame of a rendering.
    """
    began = time.process_time()
    times = arrival_times(scenario.workload, len(pictures), cell.seed)
    ours = RunRecord()
    run = LayeredRun(
        link=cell.link,
        transport=cell.transport,
        order=cell.order,
        repair=cell.repair,
        seed=cell.seed,
        workload=scenario.workload,
        streams=[picture.stream for picture in pictures],
        times=times,
    )
    run_virtual(run_layered(run, ours))
    ours.events.sort(key=lambda event: event.t)
    frames = [layered_frames(ours.events, index, picture, cost) for index, picture in enumerate(pictures)]
    systems = {OURS: _result(scenario, cell, ours, frames)}
    records = [ours]
    for name in pictures[0].rivals:
        record = RunRecord()
        run_fifo(
            FifoRun(
                link=cell.link,
                transport=cell.transport,
                seed=cell.seed,
                sizes=[picture.rivals[name].size for picture in pictures],
                times=times,
                joins_at=scenario.workload.joins_at,
                lifetime=scenario.workload.lifetime,
                end=run.end,
            ),
            record,
        )
        record.events.sort(key=lambda event: event.t)
        shown = [rival_frames(record.events, index, picture.rivals[name]) for index, picture in enumerate(pictures)]
        systems[name] = _result(scenario, cell, record, shown)
        records.append(record)
    simulated = sum(max((event.t for event in record.events), default=0.0) for record in records)
    return CellRun(systems=systems, simulated_s=simulated, processor_s=time.process_time() - began)


def _result(
    scenario: Scenario, cell: Cell, record: RunRecord, frames: Sequence[Sequence[ShownFrame]]
) -> dict[str, Any]:
    cost, count = cell.link.cost, len(frames)
    sizes = [0] * count
    for event in record.events:
        if event.event == "sent" and event.picture >= 0:
            sizes[event.picture] += event.size
    return {
        "pictures": [
            measure_picture(shown, sizes[index], scenario.measures).row() for index, shown in enumerate(frames)
        ],
        "frames": [[frame.row() for frame in shown] for shown in frames],
        "causes": {cause: record.causes[cause] for cause in CAUSES},
        "layers": {str(layer): record.layers[layer] for layer in sorted(record.layers)},
        "packets": record.packets,
        "bytes": sum(record.causes.values()),
        "airtime_s": round(record.airtime, 6),
        "dollars": round(record.charged / 1000 * cost.dollars_per_kb / count, 6),
        "joules": round(record.airtime * cost.transmit_watts / count, 6),
        "events": [event.row() for event in record.events],
    }
