"""What every training stage shares: a budget in steps or minutes, checkpoints that are never half-written, a log."""

import json
import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from receiver.rendering.models.devices import has_bfloat16

logger = logging.getLogger("training")


@dataclass(slots=True)
class TrainingRun:
    """One resumable stage: counts steps and seconds over all its restarts.

    The budget is `steps` or `minutes`, whichever is given; minutes let a shared CPU train for as long as there is
    time and still anneal its learning rate to the end.
    """

    folder: Path
    name: str
    steps: int | None = None
    minutes: float | None = None
    step: int = 0
    elapsed_s: float = 0.0
    save_every_s: float = 120.0
    _state: dict[str, Any] = field(default_factory=dict)

    @property
    def checkpoint(self) -> Path:
        return self.folder / f"{self.name}.pt"

    @property
    def progress(self) -> float:
        """Share of the budget that is spent, 0 to 1."""
        if self.steps is not None:
            return min(1.0, self.step / self.steps)
        assert self.minutes is not None
        return min(1.0, self.elapsed_s / (60 * self.minutes))

    def resume(self) -> dict[str, Any] | None:
        """Load the last checkpoint, if there is one, and return its `state`."""
        if not self.checkpoint.exists():
            return None
        saved = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        self.step, self.elapsed_s = saved["step"], saved["elapsed_s"]
        logger.info("%s: resumed at step %d", self.name, self.step)
        state: dict[str, Any] = saved["state"]
        return state

    def save(self, state: dict[str, Any]) -> None:
        """Write a checkpoint through a temporary file, so that an interruption never loses the last one."""
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.checkpoint.with_suffix(".tmp")
        torch.save({"step": self.step, "elapsed_s": self.elapsed_s, "state": state}, temporary)
        temporary.replace(self.checkpoint)

    def ticks(self) -> Iterator[bool]:
        """Yield once per step until the budget is spent; the value says whether to save a checkpoint after it."""
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
        """Append one line of figures to `NAME.jsonl` and show it."""
        row = {
            "step": self.step,
            "minutes": round(self.elapsed_s / 60, 2),
            **{k: round(v, 5) for k, v in figures.items()},
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / f"{self.name}.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        logger.info("%s %s", self.name, row)


def autocast(device: torch.device) -> torch.autocast:
    """Compute in bfloat16 where the device can: a CPU that imitates it takes eight times as long as in float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type != "cpu" or has_bfloat16())


def cosine(progress: float, warmup: float = 0.02, floor: float = 0.02) -> float:
    """Learning-rate factor: linear warm-up, then half a cosine down to `floor`."""
    if progress < warmup:
        return max(progress, 1e-3) / warmup
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))
