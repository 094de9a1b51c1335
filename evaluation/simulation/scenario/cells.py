"""The cells of a scenario's grid: one combination of a link, the axes, and a seed."""

import hashlib
import itertools
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from typing import Any

from evaluation.simulation.links.loss import RandomLoss
from evaluation.simulation.links.model import SimulatedLink
from evaluation.simulation.scenario.model import Scenario

#: Raised when results of the same scenario change; older cells in a folder are then run again.
RESULTS_VERSION = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One run.

    Attributes:
        link: the link, with the axes' rate and loss.
        budget, order, transport, repair, seed: values of the axes.
        axes: what varies in the grid, by name, for reports; without the seed.
    """

    link: SimulatedLink
    budget: int
    order: str
    transport: str
    repair: bool
    seed: int
    axes: tuple[tuple[str, str | float | int | bool], ...]

    @property
    def condition(self) -> str:
        """The cell's place in the grid, without the seed, for people."""
        return ", ".join(_named(name, value) for name, value in self.axes)


def cells_of(scenario: Scenario) -> list[Cell]:
    """Return the cells of a scenario, in order."""
    grid = scenario.grid
    found = []
    for link, rate, loss, budget, order, transport, repair, seed in itertools.product(
        scenario.links,
        grid.rates or (None,),
        grid.losses or (None,),
        grid.budgets,
        grid.orders,
        grid.transports,
        grid.repair,
        grid.seeds,
    ):
        axes: list[tuple[str, str | float | int | bool]] = [("link", link.name)]
        axes += [] if rate is None else [("rate", rate)]
        axes += [] if loss is None else [("loss", loss)]
        for name, value, values in (
            ("budget", budget, grid.budgets),
            ("order", order, grid.orders),
            ("transport", transport, grid.transports),
            ("repair", repair, grid.repair),
        ):
            axes += [(name, value)] if len(values) > 1 else []
        found.append(
            Cell(
                link=_adapted(link, rate, loss),
                budget=budget,
                order=order,
                transport=transport,
                repair=repair,
                seed=seed,
                axes=tuple(axes),
            )
        )
    return found


def cell_key(scenario: Scenario, cell: Cell, pictures: Mapping[str, Any]) -> str:
    """Return a name for a cell's results that changes with everything that they depend on.

    Args:
        scenario: the scenario.
        cell: the cell.
        pictures: what identifies the encoded pictures.
    """
    facts = {
        "cell": asdict(cell),
        "workload": asdict(scenario.workload),
        "rivals": asdict(scenario.rivals),
        "rendering": asdict(scenario.rendering),
        "measures": asdict(scenario.measures),
        "pictures": pictures,
        "version": (version("layercast"), RESULTS_VERSION),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:24]


def _adapted(link: SimulatedLink, rate: float | None, loss: float | None) -> SimulatedLink:
    changes: dict[str, Any] = {} if rate is None else {"rate": rate}
    changes |= {} if loss is None else {"loss": RandomLoss(share=loss)}
    return replace(link, there=replace(link.there, **changes), back=replace(link.back, **changes))


def _named(name: str, value: str | float | int | bool) -> str:
    match name:
        case "link" | "transport":
            return str(value)
        case "rate":
            return f"{value:g} bit/s"
        case "loss":
            return f"{float(value):.3g} lost"
        case "budget":
            return f"{value} B"
        case "repair":
            return "repair packets" if value else "no repair packets"
        case _:
            return f"{name} {value}"
