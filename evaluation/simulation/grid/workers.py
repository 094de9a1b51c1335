"""What worker processes do: prepare a picture, run a cell. Arguments and results are pickled."""

import pickle
from pathlib import Path
from typing import Any

from evaluation.simulation.grid.folder import OutputFolder, load_pictures, result_key
from evaluation.simulation.pictures.prepared import PictureJob, load_prepared, prepare
from evaluation.simulation.scenario.cells import Cell
from evaluation.simulation.scenario.model import Scenario
from evaluation.simulation.transmission.cell import run_cell
from layercast_common.errors import CodecError, LayercastError, RenderError, UsageError


def portable(error: LayercastError) -> LayercastError:
    """Return an error that survives pickling: errors whose constructor takes more than a text become their parent."""
    try:
        restored: LayercastError = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
        if str(restored) == str(error):
            return restored
    except TypeError:
        pass
    parents = (UsageError, CodecError, RenderError, LayercastError)
    return next(parent for parent in parents if isinstance(error, parent))(str(error))


def prepare_in_worker(job: PictureJob, folder: Path) -> tuple[PictureJob, str, list[tuple[float, float]]]:
    """Prepare a picture.

    Returns:
        The job, its key, and for each state with a picture the measured seconds until the first and the last frame.
    """
    try:
        key = prepare(job, folder)
    except LayercastError as error:
        raise portable(error) from None
    picture = load_prepared(job, key, folder)
    states = [picture.frames(range(count + 1)) for count in range(len(picture.stream.sections))]
    return job, key, [(frames[0]["seconds"], frames[-1]["seconds"]) for frames in states if frames]


def run_in_worker(
    scenario: Scenario, cell: Cell, keys: dict[PictureJob, str], cost: tuple[float, float], folder: Path
) -> tuple[str, float]:
    """Run a cell and store its result.

    Returns:
        The result's key, and the processor seconds that it took.
    """
    output = OutputFolder(folder)
    key = result_key(scenario, cell, keys, cost)
    try:
        run = run_cell(scenario, cell, load_pictures(scenario, cell, keys, output.pictures), cost)
        result: dict[str, Any] = {
            "systems": run.systems,
            "took": {"simulated_s": round(run.simulated_s, 3), "processor_s": round(run.processor_s, 4)},
        }
        output.save_result(key, result)
    except LayercastError as error:
        raise portable(error) from None
    return key, run.processor_s
