"""Means over the pictures, and the comparison with the best of the other formats."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.quality.figures import Figure, figure_of
from evaluation.rate_distortion.points import FigureValue, Point

#: Half the width of a 95 % interval, in standard errors of a normal mean.
INTERVAL = 1.96


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """The mean of one figure at one budget.

    Attributes:
        contender: name of the contender.
        budget: most bytes of a file.
        figure: name of the figure.
        value: the mean over the pictures that fit (and over the seeds).
        interval: half the width of its 95 % interval; 0 for a single value.
        bytes: mean size of the files.
        bpp: mean bits per pixel.
        encode_s: mean seconds of the encoder.
        decode_s: mean seconds of the decoder, rendering included.
        count: values behind the mean.
        missing: pictures (and seeds) that did not fit.
    """

    contender: str
    budget: int
    figure: str
    value: float
    interval: float
    bytes: float
    bpp: float
    encode_s: float
    decode_s: float
    count: int
    missing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A contender beside the best of the others, at one budget and in one figure.

    Attributes:
        budget: most bytes of a file.
        figure: name of the figure.
        value: the contender's mean.
        rival: name of the best of the others that fit all pictures.
        rival_value: its mean.
        gain: how much better the contender's mean is; negative if it is worse.
        wins: share of pictures on which the contender is better than the best of the others for this picture.
    """

    budget: int
    figure: str
    value: float
    rival: str
    rival_value: float
    gain: float
    wins: float


def means_of(points: Iterable[Point]) -> list[Mean]:
    """Return the means: by budget, then by contender, then by figure."""
    groups: dict[tuple[int, str], list[Point]] = {}
    for point in points:
        groups.setdefault((point.budget, point.contender), []).append(point)
    budgets = sorted({budget for budget, _ in groups})
    means = []
    for budget in budgets:
        for (at, contender), group in groups.items():
            if at != budget:
                continue
            names = dict.fromkeys(name for point in group for name in point.figures)
            means += [_mean(contender, budget, name, group) for name in names]
    return means


def _mean(contender: str, budget: int, figure: str, group: Sequence[Point]) -> Mean:
    fitting = [point for point in group if figure in point.figures]
    measured: list[FigureValue] = [point.figures[figure] for point in fitting]
    values = np.array([each.value for each in measured])
    spread = float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return Mean(
        contender=contender,
        budget=budget,
        figure=figure,
        value=float(values.mean()),
        interval=INTERVAL * spread,
        bytes=float(np.mean([each.bytes for each in measured])),
        bpp=float(np.mean([point.bpp(figure) for point in fitting])),
        encode_s=float(np.mean([each.encode_s for each in measured])),
        decode_s=float(np.mean([each.decode_s for each in measured])),
        count=len(values),
        missing=len(group) - len(values),
    )


def verdicts_of(points: Sequence[Point], contender: str, rivals: Sequence[str]) -> list[Verdict]:
    """Compare a contender with the best of the rivals at each budget, in each figure.

    Args:
        points: all points.
        contender: name of the contender.
        rivals: names of the others.
    """
    means = {(mean.contender, mean.budget, mean.figure): mean for mean in means_of(points)}
    verdicts = []
    for (name, budget, key), ours in means.items():
        whole = [means[each] for rival in rivals if (each := (rival, budget, key)) in means and not means[each].missing]
        if name != contender or not whole:
            continue
        figure = figure_of(key)
        best = whole[figure.best([mean.value for mean in whole])]
        sign = -1 if figure.less_is_better else 1
        verdicts.append(
            Verdict(
                budget=budget,
                figure=key,
                value=ours.value,
                rival=best.contender,
                rival_value=best.value,
                gain=sign * (ours.value - best.value),
                wins=_wins(points, contender, rivals, budget, figure),
            )
        )
    return verdicts


def _wins(points: Sequence[Point], contender: str, rivals: Sequence[str], budget: int, figure: Figure) -> float:
    best: dict[str, float] = {}
    for point in points:
        if point.budget == budget and point.contender in rivals and figure.name in point.figures:
            value = point.figures[figure.name].value
            if point.picture not in best or figure.is_better(value, best[point.picture]):
                best[point.picture] = value
    ours = [point for point in points if point.budget == budget and point.contender == contender]
    won = [
        point.picture not in best or figure.is_better(point.figures[figure.name].value, best[point.picture])
        for point in ours
        if figure.name in point.figures
    ]
    return sum(won) / len(won) if won else 0.0
