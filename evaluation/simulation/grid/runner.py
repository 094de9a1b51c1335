"""Runs a scenario: prepares its pictures, runs the missing cells, in parallel processes or on a Ray cluster."""

import os
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.simulation.grid.folder import OutputFolder, jobs_of, result_key
from evaluation.simulation.grid.workers import prepare_in_worker, run_in_worker
from evaluation.simulation.pictures.prepared import PictureJob
from evaluation.simulation.pictures.store import Store
from evaluation.simulation.scenario.cells import Cell, cells_of
from evaluation.simulation.scenario.model import Scenario
from evaluation.worker_processes import worker_pool
from layercast_common.errors import RenderError
from layercast_common.files import make_folder

#: Called with what is being done, how much of it is done, and how much there is.
Progress = Callable[[str, int, int], None]

#: Runs a function for many arguments anywhere, and yields the results as they come.
Mapper = Callable[[Callable[..., Any], Sequence[tuple[Any, ...]]], Iterator[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedGrid:
    """All cells of a scenario, run.

    Attributes:
        scenario: the scenario.
        folder: where the results are.
        cells: the cells, in order.
        results: the names of their results, in the same order.
        keys: the prepared pictures' keys.
        cost: seconds until the first and the last frame of a rendering.
        reused: how many cells had been run before.
    """

    scenario: Scenario
    folder: OutputFolder
    cells: tuple[Cell, ...]
    results: tuple[str, ...]
    keys: dict[PictureJob, str]
    cost: tuple[float, float]
    reused: int


def run_grid(scenario: Scenario, folder: Path, mapper: Mapper, progress: Progress) -> FinishedGrid:
    """Run every cell that the folder has no result of.

    Args:
        scenario: the scenario.
        folder: the output folder.
        mapper: runs work in parallel, from `local_mapper` or `ray_mapper`.
        progress: called after every step.

    Raises:
        LayercastError: a picture cannot be encoded or rendered, or a file cannot be written.
    """
    make_folder(folder)
    output = OutputFolder(folder)
    cells = cells_of(scenario)
    pairs = dict.fromkeys((cell.budget, cell.order) for cell in cells)
    jobs = [job for budget, order in pairs for job in jobs_of(scenario, budget, order)]
    keys: dict[PictureJob, str] = {}
    measured: list[tuple[float, float]] = []
    progress("pictures", 0, len(jobs))
    for job, key, seconds in mapper(prepare_in_worker, [(job, output.pictures) for job in jobs]):
        keys[job] = key
        measured += seconds
        progress("pictures", len(keys), len(jobs))
    cost = _cost(scenario, output.folder, measured)
    names = [result_key(scenario, cell, keys, cost) for cell in cells]
    missing = [cell for cell, name in zip(cells, names, strict=True) if not output.has_result(name)]
    done = reused = len(cells) - len(missing)
    progress("cells", done, len(cells))
    for _ in mapper(run_in_worker, [(scenario, cell, keys, cost, folder) for cell in missing]):
        done += 1
        progress("cells", done, len(cells))
    return FinishedGrid(
        scenario=scenario,
        folder=output,
        cells=tuple(cells),
        results=tuple(names),
        keys=keys,
        cost=cost,
        reused=reused,
    )


def _cost(scenario: Scenario, folder: Path, measured: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the cost of a rendering: given, nothing without a model, or measured once for a folder."""
    if scenario.rendering.cost is not None:
        return scenario.rendering.cost
    if scenario.rendering.model == "none":
        return 0.0, 0.0
    if not measured:
        raise RenderError(f"the model {scenario.rendering.model} drew no frame")
    firsts, wholes = zip(*measured, strict=True)
    medians = [round(statistics.median(firsts), 3), round(statistics.median(wholes), 3)]
    first, whole = Store(folder).get_or_compute("render-cost", lambda: medians)
    return float(first), float(whole)


@contextmanager
def local_mapper(processes: int) -> Iterator[Mapper]:
    """Run work in processes of this machine within the block; in this process if there is to be one.

    Args:
        processes: how many; 0 for one per core.
    """
    count = processes or len(os.sched_getaffinity(0))
    if count == 1:
        yield _in_turn
        return
    with worker_pool(count) as pool:

        def run(work: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
            futures = [pool.submit(work, *given) for given in arguments]
            try:
                for future in as_completed(futures):
                    yield future.result()
            except BrokenProcessPool as error:
                raise RenderError("a worker process was killed, perhaps for memory; start again to go on") from error

        yield run


def _in_turn(work: Callable[..., Any], arguments: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
    for given in arguments:
        yield work(*given)
