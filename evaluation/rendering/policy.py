"""How late each layer may come: agreement with a full re-run against the steps that are saved.

For each layer a run is drawn without it; at each share of the run it comes, and either joins, or the run is rewound to
an earlier step. Both are finished and compared, with the picture and with what a full re-run gives. The recommended
limits are the gentlest whose agreement is enough at every moment up to them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from codec.layers import Layer
from evaluation.pictures.quality import compare
from evaluation.rendering.runs import Studio
from evaluation.rendering.subjects import Subject
from receiver.rendering.settings.arrival_limits import ArrivalLimits

if TYPE_CHECKING:
    from receiver.rendering.models.model import Model

#: Layers that a picture may still miss while it is drawn.
KINDS = (Layer.SEMANTIC, Layer.STRUCTURE, Layer.TEXTURE)

#: When a layer comes, and where a run is rewound to, as shares of the run.
MOMENTS = (0.1, 0.2, 0.3, 0.4, 0.55, 0.7, 0.85)
TARGETS = (0.1, 0.2, 0.3, 0.4)

#: What the limits are recommended for: quality of what is drawn over that of a full re-run.
ENOUGH = 0.95

#: And at least so much likeness to a full re-run's picture: words change pictures without making them better or worse
#: to any figure, and where pictures are fitted to lines and colours in the end, these figures say little else.
ALIKE = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyPoint:
    """What came of one layer that came at one moment, means over pictures.

    Attributes:
        layer: its name.
        moment: when it came, as a share of the run.
        target: where the run went on from: the moment itself where it joined.
        quality: the lesser of edge F1 and CIEDE2000, each over that of a full re-run; 1 is as good.
        similarity: SSIM to the full re-run's picture.
        saved: share of a full re-run's steps that were not needed.
    """

    layer: str
    moment: float
    target: float
    quality: float
    similarity: float
    saved: float

    @property
    def joins(self) -> bool:
        """Whether the run went on from where it was."""
        return self.target == self.moment

    @property
    def agrees(self) -> bool:
        """Whether this is as good as a full re-run."""
        return self.quality >= ENOUGH and self.similarity >= ALIKE


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFigures:
    """All points, and the limits that they recommend."""

    steps: int
    pictures: int
    points: tuple[PolicyPoint, ...]
    limits: Mapping[str, ArrivalLimits]


def measure_policy(
    model: "Model",
    subjects: Sequence[Subject],
    steps: int,
    track: Callable[[Sequence[Subject], str], Iterable[Subject]],
) -> PolicyFigures:
    """Measure every layer at every moment on every picture."""
    studio = Studio(model, steps)
    rows: dict[tuple[Layer, int, int], list[tuple[float, float, float]]] = {}
    for subject in track(subjects, f"policy, {steps} steps"):
        whole = studio.draw(subject.priors, subject.seed)
        best = compare(whole, subject.original)
        for layer in KINDS:
            before = subject.priors.only(set(subject.priors.layers) - {layer})
            job = studio.begin(before, subject.seed)
            # Runs of few steps have fewer moments than there are shares.
            for moment in sorted({round(share * steps) for share in MOMENTS} - {0, steps}):
                studio.advance(job, moment)
                targets = {int(share * steps) for share in TARGETS} - {0}
                for target in sorted({moment} | {target for target in targets if target < moment}):
                    twin = studio.fork(job, subject.priors)
                    if target < moment:
                        twin.run.rewind(target)
                    drawn = studio.finish(twin)
                    reached = compare(drawn, subject.original)
                    rows.setdefault((layer, moment, target), []).append(
                        (
                            reached.edge_f1 / max(best.edge_f1, 1e-9),
                            best.color_difference / max(reached.color_difference, 1e-9),
                            compare(drawn, whole).ssim,
                        )
                    )
    points = [_point(layer, moment / steps, target / steps, row) for (layer, moment, target), row in rows.items()]
    return PolicyFigures(
        steps=steps,
        pictures=len(subjects),
        points=tuple(points),
        limits={layer.name.lower(): recommend([p for p in points if p.layer == layer.name.lower()]) for layer in KINDS},
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
    """The limits for one layer: pure, from its points alone."""
    join = _last(point.moment for point in _agreeing_run([p for p in points if p.joins]))
    best = ArrivalLimits(join=join)
    for target in sorted({p.target for p in points if not p.joins}):
        later = [p for p in points if not p.joins and p.target == target and p.moment > join]
        rewind = _last(point.moment for point in _agreeing_run(later))
        # What is saved on the average, if the layer may come at any moment.
        if (rewind - join) * target > max(0.0, best.rewind - join) * best.rewind_to:
            best = ArrivalLimits(join=join, rewind=rewind, rewind_to=target)
    return best


def _agreeing_run(points: Sequence[PolicyPoint]) -> list[PolicyPoint]:
    """The points, in order of their moments, up to the first that does not agree."""
    run = []
    for point in sorted(points, key=lambda point: point.moment):
        if not point.agrees:
            break
        run.append(point)
    return run


def _last(moments: Iterable[float]) -> float:
    return max(moments, default=0.0)
