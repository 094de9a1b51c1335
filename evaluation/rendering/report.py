"""All that `layercast bench render` measures, and the bars that it is held against."""

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

#: Shows how far a piece of work is: passes items through, under a name.
Track = Callable[[Sequence[Any], str], Iterable[Any]]

#: Pictures that are drawn at once to see how long each waits.
CROWD = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderReport:
    """What was measured, on what.

    Attributes:
        model: name of the model.
        device: where it ran, in words.
        performance: how it was run there.
        pictures: how many pictures were drawn.
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
        images: pictures, each with its prompt beside or in it.
        steps: of the runs into which layers arrive.
        rounds: how often times are taken.
        seed: of the first picture's noise.
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
        bars=(*_speed_bars(speed, model.device.type), *_arrival_bars(arrivals), *_crowd_bars(crowd, model.device.type)),
    )


def measure_limits(
    model: "Model", images: Sequence[Path], *, steps: Sequence[int], seed: int, track: Track
) -> list[PolicyFigures]:
    """Measure how late layers may come into runs of so many steps each."""
    subjects = load_subjects(images, seed)
    return [measure_policy(model, subjects, count, track) for count in steps]


def describe_device(device: Any) -> str:
    """What a model runs on, in words."""
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


def _speed_bars(speed: SpeedFigures, device: str) -> list[Threshold]:
    on_gpu = [
        Threshold("first frame, ms", 1000 * speed.first_s, 60.0),
        Threshold("first frame over its bare parts", speed.first_share, 1.3),
    ]
    return [
        *(on_gpu if device == "cuda" else ()),
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
