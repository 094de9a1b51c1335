"""Layers that arrive during a render: the steps that joining and rewinding save, and their cost in quality."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from codec.layers import Layer, Priors
from evaluation.quality.quality import compare
from evaluation.rendering.runs import RunDriver
from evaluation.rendering.subjects import Subject

if TYPE_CHECKING:
    from receiver.rendering.models.model import Model

#: When the three layers arrive, as shares of the current run.
ARRIVALS = (0.1, 0.4, 0.7)

_ORDER = (Layer.SEMANTIC, Layer.STRUCTURE, Layer.TEXTURE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivalFigures:
    """Means over pictures, for one order of arrival.

    Attributes:
        scenario: the order in which the layers arrive.
        steps: steps of a whole run.
        passes: UNet passes under the update policy.
        full_passes: UNet passes of one whole run for each arrival.
        pass_share: `passes` over `full_passes`.
        edge_f1: edge F1 under the update policy, against the original.
        restart_edge_f1: edge F1 of a whole run with all layers.
        f1_agreement: `edge_f1` over `restart_edge_f1`.
        color_difference: CIEDE2000 under the update policy, against the original.
        restart_color_difference: CIEDE2000 of a whole run with all layers.
        color_agreement: `restart_color_difference` over `color_difference`.
        similarity: SSIM of the two pictures.
    """

    scenario: str
    steps: int
    passes: float
    full_passes: int
    pass_share: float
    edge_f1: float
    restart_edge_f1: float
    f1_agreement: float
    color_difference: float
    restart_color_difference: float
    color_agreement: float
    similarity: float


def scenarios(priors: Priors) -> dict[str, list[Priors]]:
    """Return the layers at the start and after each of three arrivals, by the name of the order."""
    layers = {layer.name.lower(): layer for layer in _ORDER}
    orders = {
        "words, lines, colours": ("semantic", "structure", "texture"),
        "words, colours, lines": ("semantic", "texture", "structure"),
    }
    return {
        name: [priors.only(layers[known] for known in order[:count]) for count in range(4)]
        for name, order in orders.items()
    }


def measure_arrivals(model: "Model", subjects: Sequence[Subject], steps: int) -> list[ArrivalFigures]:
    """Render every picture with layers arriving at `ARRIVALS`, and compare it with a whole run with all layers.

    Args:
        model: the model to measure.
        subjects: the pictures; at least one.
        steps: steps of each run.
    """
    driver = RunDriver(model, steps)
    names = list(scenarios(subjects[0].priors))
    rows: dict[str, list[tuple[float, ...]]] = {name: [] for name in names}
    for subject in subjects:
        whole = driver.draw(subject.priors, subject.seed)
        restarted = compare(whole, subject.original)
        for name, states in scenarios(subject.priors).items():
            driver.passes = 0
            job = driver.begin(states[0], subject.seed)
            for share, state in zip(ARRIVALS, states[1:], strict=True):
                driver.advance(job, round(share * job.run.steps))
                job.update(state)
            drawn = driver.finish(job)
            reached = compare(drawn, subject.original)
            rows[name].append(
                (
                    driver.passes,
                    reached.edge_f1,
                    reached.color_difference,
                    restarted.edge_f1,
                    restarted.color_difference,
                    compare(drawn, whole).ssim,
                )
            )
    return [_means(name, steps, rows[name]) for name in names]


def _means(name: str, steps: int, rows: Sequence[tuple[float, ...]]) -> ArrivalFigures:
    passes, f1, difference, whole_f1, whole_difference, similarity = (float(mean) for mean in np.mean(rows, axis=0))
    full = steps * len(ARRIVALS)
    return ArrivalFigures(
        scenario=name,
        steps=steps,
        passes=passes,
        full_passes=full,
        pass_share=passes / full,
        edge_f1=f1,
        restart_edge_f1=whole_f1,
        f1_agreement=f1 / max(whole_f1, 1e-9),
        color_difference=difference,
        restart_color_difference=whole_difference,
        color_agreement=whole_difference / max(difference, 1e-9),
        similarity=similarity,
    )
