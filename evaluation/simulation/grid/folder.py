"""The output folder: prepared pictures, results of cells, reports."""

from pathlib import Path
from typing import Any

from evaluation.simulation.pictures.prepared import PictureJob, PreparedPicture, load_prepared
from evaluation.simulation.pictures.store import Store
from evaluation.simulation.scenario.cells import Cell, cell_key
from evaluation.simulation.scenario.model import Scenario


class OutputFolder:
    """The folder of a simulation.

    Args:
        folder: the folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pictures = folder / "pictures"
        self._cells = Store(folder / "cells")

    def path(self, name: str) -> Path:
        """Return the path of a report."""
        return self.folder / name

    def result(self, key: str) -> dict[str, Any] | None:
        """Return the result of a cell; None if it was not run."""
        found: dict[str, Any] | None = self._cells.get(key)
        return found

    def has_result(self, key: str) -> bool:
        """Return whether a cell was run."""
        return (self.folder / "cells" / f"{key}.json").exists() and self.result(key) is not None

    def save_result(self, key: str, result: dict[str, Any]) -> None:
        """Store the result of a cell."""
        self._cells.put(key, result)

    def forget(self, key: str) -> None:
        """Free the memory of a result."""
        self._cells.forget(key)


def jobs_of(scenario: Scenario, budget: int, order: str) -> list[PictureJob]:
    """Return what to prepare for cells of a budget and an order, one job for each picture."""
    return [
        PictureJob(
            image=image,
            budget=budget,
            order=order,
            model=scenario.rendering.model,
            rivals=scenario.rivals,
            measures=scenario.measures,
        )
        for image in scenario.images
    ]


def load_pictures(scenario: Scenario, cell: Cell, keys: dict[PictureJob, str], folder: Path) -> list[PreparedPicture]:
    """Return the prepared pictures of a cell, in the scenario's order."""
    return [load_prepared(job, keys[job], folder) for job in jobs_of(scenario, cell.budget, cell.order)]


def result_key(scenario: Scenario, cell: Cell, keys: dict[PictureJob, str], cost: tuple[float, float]) -> str:
    """Return the name of a cell's result."""
    own = [keys[job] for job in jobs_of(scenario, cell.budget, cell.order)]
    return cell_key(scenario, cell, {"keys": own, "cost": cost})
