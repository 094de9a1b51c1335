"""Shared by all training stages: budgets in steps or minutes, resumable checkpoints, logs, command-line options."""

import argparse
import json
import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from receiver.rendering.models.devices import has_bfloat16
from training.data.tiles import add_work_option
from training.sizes import SMOKE_STEPS

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class TrainingRun:
    """One resumable stage. It counts steps and seconds over all restarts.

    The budget is `steps` if given, else `minutes`. With minutes, a shared CPU trains for the time available, and the
    learning rate is still annealed to the end.

    Attributes:
        folder: the working folder of checkpoint and log.
        name: name of the stage.
        steps: budget in steps, or None.
        minutes: budget in minutes, or None.
        step: steps done.
        elapsed_s: seconds spent.
        save_every_s: seconds between checkpoints.
    """

    folder: Path
    name: str
    steps: int | None = None
    minutes: float | None = None
    step: int = 0
    elapsed_s: float = 0.0
    save_every_s: float = 120.0

    @property
    def checkpoint(self) -> Path:
        """The checkpoint file, `NAME.pt`."""
        return self.folder / f"{self.name}.pt"

    @property
    def progress(self) -> float:
        """The share of the budget spent, 0 to 1."""
        if self.steps is not None:
            return min(1.0, self.step / self.steps)
        assert self.minutes is not None
        return min(1.0, self.elapsed_s / (60 * self.minutes))

    def resume(self) -> dict[str, Any] | None:
        """Load the last checkpoint and return its `state`; None if there is no checkpoint."""
        if not self.checkpoint.exists():
            return None
        saved = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        self.step, self.elapsed_s = saved["step"], saved["elapsed_s"]
        _log.info("%s: resumed at step %d", self.name, self.step)
        state: dict[str, Any] = saved["state"]
        return state

    def save(self, state: dict[str, Any]) -> None:
        """Write a checkpoint through a temporary file: an interruption never loses the last checkpoint."""
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.checkpoint.with_suffix(".tmp")
        torch.save({"step": self.step, "elapsed_s": self.elapsed_s, "state": state}, temporary)
        temporary.replace(self.checkpoint)

    def ticks(self) -> Iterator[bool]:
        """Yield once per step until the budget is spent; the value is whether to save a checkpoint after the step."""
        last_save = self.elapsed_s
        while self.progress < 1.0:
            started = time.monotonic()
            save = self.elapsed_s - last_save > self.save_every_s
            if save:
                last_save = self.elapsed_s
            yield save
            self.step += 1
            self.elapsed_s += time.monotonic() - started

    def log(self, **figures: float) -> None:
        """Append a line of figures to `NAME.jsonl`, and log it."""
        row = {
            "step": self.step,
            "minutes": round(self.elapsed_s / 60, 2),
            **{k: round(v, 5) for k, v in figures.items()},
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / f"{self.name}.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        _log.info("%s %s", self.name, row)


def autocast(device: torch.device) -> torch.autocast:
    """Compute in bfloat16 if the device supports it; a CPU that emulates it is eight times slower than in float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type != "cpu" or has_bfloat16())


def cosine(progress: float, warmup: float = 0.02, floor: float = 0.02) -> float:
    """Return the learning-rate factor: linear warm-up, then half a cosine down to `floor`.

    Args:
        progress: share of the budget spent, 0 to 1.
        warmup: share of the budget for the warm-up.
        floor: the last factor.
    """
    if progress < warmup:
        return max(progress, 1e-3) / warmup
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))


def add_run_options(parser: argparse.ArgumentParser, *, batch: int, steps: int) -> None:
    """Add the options of a stage that trains: folder, budget and batch size.

    Args:
        parser: the command's.
        batch: default batch size.
        steps: default budget.
    """
    add_work_option(parser)
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--steps", type=int, help=f"budget in steps (default: {steps})")
    budget.add_argument("--minutes", type=float, help="budget in minutes, summed over all restarts")
    parser.add_argument(
        "--batch", type=int, default=batch, help="samples per step; use more on a GPU (default: %(default)s)"
    )
    parser.add_argument("--smoke", action="store_true", help=f"run {SMOKE_STEPS} steps, as a check")
    parser.set_defaults(default_steps=steps)


def start_run(options: argparse.Namespace, name: str) -> TrainingRun:
    """Return the run of a stage for its command-line options, see `add_run_options`."""
    steps = SMOKE_STEPS if options.smoke else options.steps or (None if options.minutes else options.default_steps)
    return TrainingRun(options.work, name, steps=steps, minutes=options.minutes)
