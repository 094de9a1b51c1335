"""Where a level may begin: agreement with a run from noise against the forwards that are left out.

For each layer, the picture without it is finished first. Then the level with it begins from that picture, or from the
picture of its bit planes, at several strengths, and is compared with the original, with a run from noise, and with the
picture before.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from codec.layers import Layer
from evaluation.quality.quality import compare
from evaluation.rendering.runs import RunDriver
from evaluation.rendering.subjects import Subject
from receiver.rendering.settings.start_plan import StartPlan

if TYPE_CHECKING:
    from receiver.rendering.models.model import Model

#: Strengths that are tried; 1 is a run from noise.
STRENGTHS = (0.2, 0.4, 0.6, 0.8, 1.0)

#: Layers that may arrive after the level before was finished, each on top of those below.
ARRIVING = (Layer.STRUCTURE, Layer.TEXTURE, Layer.DETAIL)

#: Least quality for which a strength is recommended: that of the picture over that of a run from noise.
ENOUGH = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class StrengthPoint:
    """The result for one layer and strength; means over pictures.

    Attributes:
        layer: name of the layer that arrived.
        strength: share of the steps that are done.
        forwards: UNet passes of the level.
        quality: the worse of edge F1 and CIEDE2000, each relative to a run from noise; 1 is equally good.
        agreement: SSIM to the picture of a run from noise.
        calmness: SSIM to the picture of the level before: 1 if nothing moves before a watcher's eyes.
    """

    layer: str
    strength: float
    forwards: float
    quality: float
    agreement: float
    calmness: float


def measure_strengths(
    model: "Model",
    subjects: Sequence[Subject],
    steps: int,
    track: Callable[[Sequence[Subject], str], Iterable[Subject]],
) -> tuple[StrengthPoint, ...]:
    """Measure every strength for every layer that the pictures have; arguments as in `measure_policy`."""
    drivers = {strength: RunDriver(_with_plan(model, strength), steps) for strength in STRENGTHS}
    rows: dict[tuple[Layer, float], list[tuple[float, ...]]] = {}
    for subject in track(subjects, f"starts, {steps} steps"):
        known = subject.priors.layers
        for layer in (layer for layer in ARRIVING if layer in known):
            below = subject.priors.only(other for other in known if other < layer)
            present = subject.priors.only(other for other in known if other <= layer)
            from_noise = drivers[1.0]
            base = from_noise.begin(below, subject.seed)
            before, earlier = from_noise.finish(base), base.finished_picture()
            whole = from_noise.draw(present, subject.seed)
            best = compare(whole, subject.original)
            for strength, driver in drivers.items():
                job = driver.begin(present, subject.seed, earlier=earlier)
                begun = job.run.begin
                drawn = driver.finish(job)
                reached = compare(drawn, subject.original)
                row = (
                    job.run.steps - begun,
                    (reached.edge_f1 + 1e-9) / (best.edge_f1 + 1e-9),
                    (best.color_difference + 1e-9) / (reached.color_difference + 1e-9),
                    compare(drawn, whole).ssim,
                    compare(drawn, before).ssim,
                )
                rows.setdefault((layer, strength), []).append(row)
    return tuple(_point(layer, strength, row) for (layer, strength), row in rows.items())


def _with_plan(model: "Model", strength: float) -> "Model":
    return replace(model, settings=replace(model.settings, starts=StartPlan.constant(strength)))


def _point(layer: Layer, strength: float, rows: Sequence[tuple[float, ...]]) -> StrengthPoint:
    forwards, f1, color, agreement, calmness = (float(mean) for mean in np.mean(rows, axis=0))
    return StrengthPoint(
        layer=layer.name.lower(),
        strength=strength,
        forwards=forwards,
        quality=min(f1, color),
        agreement=agreement,
        calmness=calmness,
    )


def recommend_strengths(points: Sequence[StrengthPoint]) -> Mapping[str, float]:
    """Return for each layer the least strength from which on all are as good as a run from noise. Pure."""
    best: dict[str, float] = {}
    for name in dict.fromkeys(point.layer for point in points):
        best[name] = 1.0
        for point in sorted((p for p in points if p.layer == name), key=lambda p: -p.strength):
            if point.quality < ENOUGH:
                break
            best[name] = point.strength
    return best
