"""The measurements of `layercast bench render`, and their bars."""

import os
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.rendering.arrivals import ArrivalFigures, measure_arrivals
from evaluation.rendering.many_pictures import CrowdFigures, measure_crowd
from evaluation.rendering.policy import PolicyFigures, measure_policy
from evaluation.rendering.speed import SpeedFigures, measure_speed
from evaluation.rendering.subjects import load_subjects
from evaluation.thresholds import Threshold

if TYPE_CHECKING:
    from receiver.rendering.models.model import Model

#: Passes items through and shows progress, under a name.
Track = Callable[[Sequence[Any], str], Iterable[Any]]

#: Pictures that are rendered at once, to measure how long each waits.
CROWD = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderReport:
    """The measurements of one model on one device.

    Attributes:
        model: name of the model.
        device: the device, in words.
        performance: the way that the model ran.
        pictures: number of pictures measured.
        speed: times of one picture.
        arrivals: layers that arrive during a render, for each order.
        crowd: many pictures at once.
        bars: the figures with their bounds.
    """

    model: str
    device: str
    performance: str
    pictures: int
    speed: SpeedFigures
    arrivals: tuple[ArrivalFigures, ...]
    crowd: CrowdFigures
    bars: tuple[Threshold, ...]


def measure_rendering(
    model: "Model", images: Sequence[Path], *, steps: int, rounds: int, seed: int, track: Track
) -> RenderReport:
    """Measure the engine on pictures.

    Args:
        model: the model to measure.
        images: pictures, each with a prompt in its metadata or in NAME.txt beside it.
        steps: steps of the runs into which layers arrive.
        rounds: how often each time is measured.
        seed: of the first picture's noise.
        track: shows progress.

    Raises:
        LayercastError: a picture cannot be read or encoded, or the model cannot render it.
    """
    subjects = load_subjects(images, seed)
    for _ in track([None], "speed"):
        speed = measure_speed(model, subjects[0], model.settings.steps, rounds)
    for _ in track([None], f"{CROWD} at once"):
        crowd = measure_crowd(model, subjects, CROWD, rounds)
    arrivals = measure_arrivals(model, list(track(subjects, "arrivals")), steps)
    return RenderReport(
        model=model.name,
        device=describe_device(model.device),
        performance=str(model.performance),
        pictures=len(subjects),
        speed=speed,
        arrivals=tuple(arrivals),
        crowd=crowd,
        bars=(
            *_speed_bars(speed, model.name, model.device.type),
            *_arrival_bars(arrivals),
            *_crowd_bars(crowd, model.device.type),
        ),
    )


def measure_limits(
    model: "Model", images: Sequence[Path], *, steps: Sequence[int], seed: int, track: Track
) -> list[PolicyFigures]:
    """Measure how late layers may arrive, in runs of each number of steps; arguments as in `measure_rendering`."""
    subjects = load_subjects(images, seed)
    return [measure_policy(model, subjects, count, track) for count in steps]


def describe_device(device: Any) -> str:
    """Return a device's description: GPU name, or CPU name with its threads and cores."""
    import torch

    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    name = next(
        (line.partition(":")[2].strip() for line in _cpu_facts() if line.startswith("model name")), platform.machine()
    )
    return f"{device.type}: {name}, {torch.get_num_threads()} of {os.cpu_count()} cores"


def _cpu_facts() -> list[str]:
    facts = Path("/proc/cpuinfo")
    return facts.read_text(encoding="utf-8").splitlines() if facts.is_file() else []


def _speed_bars(speed: SpeedFigures, model: str, device: str) -> list[Threshold]:
    on_gpu = [
        Threshold("first frame, ms", 1000 * speed.first_s, 60.0),
        Threshold("first frame over its bare parts", speed.first_share, 1.3),
    ]
    on_cpu = [Threshold("first frame from text, ms", 1000 * speed.text_s, 300.0)] if model == "mini" else []
    return [
        *(on_gpu if device == "cuda" else on_cpu),
        Threshold("engine's step over a bare UNet forward", speed.engine_share, 1.05),
        Threshold("stock pipeline's time over ours", speed.stock_share, 1.0, at_least=True),
    ]


def _arrival_bars(arrivals: Sequence[ArrivalFigures]) -> list[Threshold]:
    bars = []
    for figures in arrivals:
        what = f"{figures.scenario} at 10, 40 and 70 %"
        bars += [
            Threshold(f"{what}: UNet forwards over three runs", figures.pass_share, 0.6),
            Threshold(f"{what}: edge F1 over a restart's", figures.f1_agreement, 0.95, at_least=True),
            Threshold(f"{what}: a restart's CIEDE2000 over ours", figures.color_agreement, 0.95, at_least=True),
        ]
    return bars


def _crowd_bars(crowd: CrowdFigures, device: str) -> list[Threshold]:
    gpu = device == "cuda"
    bars = [
        Threshold(
            f"{crowd.pictures} at once: last first frame over a lone one", crowd.first_share, 2.5 if gpu else 8.0
        ),
        Threshold(f"{crowd.pictures} at once: finished", crowd.finished, 1.0, at_least=True),
    ]
    if gpu:
        bars.append(
            Threshold(f"{crowd.pictures} at once: throughput over one by one", crowd.throughput, 3.0, at_least=True)
        )
    return bars
