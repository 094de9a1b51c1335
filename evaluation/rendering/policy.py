"""How late each layer may arrive: agreement with a full re-run against the steps saved.

For each layer, a run starts without it. At each share of the run the layer arrives, and either joins, or the run is
rewound to an earlier step. Each variant is finished and compared with the original and with a full re-run. The
recommended limits save the most steps while the agreement is sufficient at every moment up to them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from codec.layers import Layer
from evaluation.quality.quality import compare
from evaluation.rendering.runs import RunDriver
from evaluation.rendering.start_strengths import StrengthPoint, measure_strengths, recommend_strengths
from evaluation.rendering.subjects import Subject
from receiver.rendering.settings.arrival_limits import ArrivalLimits

if TYPE_CHECKING:
    from receiver.rendering.models.model import Model

#: Layers that may arrive during a render.
KINDS = (Layer.SEMANTIC, Layer.STRUCTURE, Layer.TEXTURE)

#: Moments at which a layer arrives, and targets of a rewind, as shares of the run.
MOMENTS = (0.1, 0.2, 0.3, 0.4, 0.55, 0.7, 0.85)
TARGETS = (0.1, 0.2, 0.3, 0.4)

#: Least quality for which a limit is recommended: that of the picture over that of a full re-run.
ENOUGH = 0.95

#: Least SSIM to the full re-run's picture, in addition: prompts change pictures without making any figure better or
#: worse, and if pictures are fitted to edges and colours at the end, the other figures hardly differ.
ALIKE = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyPoint:
    """The result for one layer that arrives at one moment; means over pictures.

    Attributes:
        layer: name of the layer.
        moment: when it arrives, as a share of the run.
        target: the share that the run continues from; equal to `moment` if the layer joins.
        quality: the worse of edge F1 and CIEDE2000, each relative to a full re-run; 1 is equally good.
        similarity: SSIM to the full re-run's picture.
        saved: share of a full re-run's steps that were saved.
    """

    layer: str
    moment: float
    target: float
    quality: float
    similarity: float
    saved: float

    @property
    def joins(self) -> bool:
        """Whether the layer joined without a rewind."""
        return self.target == self.moment

    @property
    def agrees(self) -> bool:
        """Whether the result is as good as a full re-run."""
        return self.quality >= ENOUGH and self.similarity >= ALIKE


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFigures:
    """All points, and the limits recommended from them; the same for the strengths at which levels may begin."""

    steps: int
    pictures: int
    points: tuple[PolicyPoint, ...]
    limits: Mapping[str, ArrivalLimits]
    strengths: tuple[StrengthPoint, ...] = ()
    starts: Mapping[str, float] = field(default_factory=dict)


def measure_policy(
    model: "Model",
    subjects: Sequence[Subject],
    steps: int,
    track: Callable[[Sequence[Subject], str], Iterable[Subject]],
) -> PolicyFigures:
    """Measure every layer at every moment on every picture.

    Args:
        model: the model to measure.
        subjects: the pictures; at least one.
        steps: steps of each run.
        track: passes the pictures through and shows progress, under a name.
    """
    driver = RunDriver(model, steps)
    rows: dict[tuple[Layer, int, int], list[tuple[float, float, float]]] = {}
    for subject in track(subjects, f"policy, {steps} steps"):
        whole = driver.draw(subject.priors, subject.seed)
        best = compare(whole, subject.original)
        for layer in KINDS:
            before = subject.priors.only(set(subject.priors.layers) - {layer})
            job = driver.begin(before, subject.seed)
            # In short runs several shares round to the same step.
            for moment in sorted({round(share * steps) for share in MOMENTS} - {0, steps}):
                driver.advance(job, moment)
                targets = {int(share * steps) for share in TARGETS} - {0}
                for target in sorted({moment} | {target for target in targets if target < moment}):
                    twin = driver.fork(job, subject.priors)
                    if target < moment:
                        twin.run.rewind(target)
                    drawn = driver.finish(twin)
                    reached = compare(drawn, subject.original)
                    rows.setdefault((layer, moment, target), []).append(
                        (
                            reached.edge_f1 / max(best.edge_f1, 1e-9),
                            best.color_difference / max(reached.color_difference, 1e-9),
                            compare(drawn, whole).ssim,
                        )
                    )
    points = [_point(layer, moment / steps, target / steps, row) for (layer, moment, target), row in rows.items()]
    strengths = measure_strengths(model, subjects, steps, track)
    return PolicyFigures(
        steps=steps,
        pictures=len(subjects),
        points=tuple(points),
        limits={layer.name.lower(): recommend([p for p in points if p.layer == layer.name.lower()]) for layer in KINDS},
        strengths=strengths,
        starts=recommend_strengths(strengths),
    )


def _point(layer: Layer, moment: float, target: float, rows: Sequence[tuple[float, float, float]]) -> PolicyPoint:
    f1, color, similarity = (float(mean) for mean in np.mean(rows, axis=0))
    return PolicyPoint(
        layer=layer.name.lower(),
        moment=moment,
        target=target,
        quality=min(f1, color),
        similarity=similarity,
        saved=target,
    )


def recommend(points: Sequence[PolicyPoint]) -> ArrivalLimits:
    """Return the limits for one layer, from its points. Pure."""
    join = _last(point.moment for point in _agreeing_run([p for p in points if p.joins]))
    best = ArrivalLimits(join=join)
    for target in sorted({p.target for p in points if not p.joins}):
        later = [p for p in points if not p.joins and p.target == target and p.moment > join]
        rewind = _last(point.moment for point in _agreeing_run(later))
        # The mean saving if the layer arrives at a random moment.
        if (rewind - join) * target > max(0.0, best.rewind - join) * best.rewind_to:
            best = ArrivalLimits(join=join, rewind=rewind, rewind_to=target)
    return best


def _agreeing_run(points: Sequence[PolicyPoint]) -> list[PolicyPoint]:
    """Return the points in order of their moments, up to the first that does not agree."""
    run = []
    for point in sorted(points, key=lambda point: point.moment):
        if not point.agrees:
            break
        run.append(point)
    return run


def _last(moments: Iterable[float]) -> float:
    return max(moments, default=0.0)
