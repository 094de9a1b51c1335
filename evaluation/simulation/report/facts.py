"""What every figure of a report carries: command, seeds, version, machine, and the speed over real time."""

import os
import platform
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from evaluation.simulation.grid.runner import FinishedGrid
from evaluation.simulation.report.summary import each_result


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """The facts of a run.

    Attributes:
        command: the command line.
        seeds: the seeds.
        version: of layercast.
        machine: processor and operating system.
        cells: how many cells there are.
        reused: how many had been run before.
        wall_s: how long the command took, in seconds.
        simulated_s: virtual time of all cells and systems, in seconds.
        simulation_s: processor time of the cells, in seconds, when each was run.
        render_cost: seconds until the first and the last frame of a rendering.
    """

    command: str
    seeds: tuple[int, ...]
    version: str
    machine: str
    cells: int
    reused: int
    wall_s: float
    simulated_s: float
    simulation_s: float
    render_cost: tuple[float, float]

    @classmethod
    def of(cls, grid: FinishedGrid, *, command: str, wall_s: float) -> "RunFacts":
        """Gather the facts of a finished grid."""
        took = [result["took"] for _, result in each_result(grid)]
        return cls(
            command=command,
            seeds=grid.scenario.grid.seeds,
            version=version("layercast"),
            machine=f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}",
            cells=len(grid.cells),
            reused=grid.reused,
            wall_s=round(wall_s, 2),
            simulated_s=round(sum(one["simulated_s"] for one in took), 1),
            simulation_s=round(sum(one["processor_s"] for one in took), 2),
            render_cost=grid.cost,
        )

    @property
    def speed_up(self) -> float:
        """Simulated seconds per second of simulating."""
        return self.simulated_s / self.simulation_s if self.simulation_s else 0.0

    @property
    def line(self) -> str:
        """The facts that plots carry, in a line; the same for the same scenario on the same machine."""
        seeds = f"seeds {self.seeds[0]} to {self.seeds[-1]}" if len(self.seeds) > 1 else f"seed {self.seeds[0]}"
        return f"{self.command} | {seeds} | layercast {self.version} | {self.machine}"

    def row(self) -> dict[str, Any]:
        """Return the facts as JSON."""
        return {
            "command": self.command,
            "seeds": list(self.seeds),
            "version": self.version,
            "machine": self.machine,
            "cells": self.cells,
            "reused": self.reused,
            "wall_s": self.wall_s,
            "simulated_s": self.simulated_s,
            "simulation_s": self.simulation_s,
            "speed_up": round(self.speed_up, 1),
            "render_cost_s": list(self.render_cost),
        }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123 - a kernel file
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
