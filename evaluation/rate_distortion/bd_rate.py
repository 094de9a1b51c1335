"""Bjontegaard deltas: how many bytes more or less one curve takes than another at equal quality.

The package `bjontegaard` (FAU-LMS) interpolates with Akima's splines; C. Herglotz et al., "The Bjontegaard Bible", IEEE
TIP 33, 2024. A delta of curves with few points, or of curves that hardly overlap, says little: both are reported.
"""

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.quality.figures import figure_of
from evaluation.rate_distortion.summary import Mean
from layercast_common.errors import MissingExtraError

#: Share of the two curves' range of quality that both cover, below which a delta is doubtful.
ENOUGH_OVERLAP = 0.75

#: Fewest points of a curve.
LEAST_POINTS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class BdRate:
    """How a curve compares with an anchor.

    Attributes:
        figure: name of the figure.
        anchor: name of the contender that is compared with.
        contender: name of the contender.
        percent: bytes more (positive) or less (negative) than the anchor's at equal quality, in percent; None if there
            is no such figure.
        points: points of the anchor's curve and of the contender's.
        overlap: share of the two curves' range of quality that both cover, 0 to 1.
        warning: what makes the figure doubtful, or why there is none; empty if nothing does.
    """

    figure: str
    anchor: str
    contender: str
    percent: float | None
    points: tuple[int, int]
    overlap: float
    warning: str = ""


def bd_rates(means: Sequence[Mean], anchor: str) -> list[BdRate]:
    """Compare every other contender with an anchor, in every figure.

    Args:
        means: means over the pictures; budgets into which a picture did not fit are left out.
        anchor: name of the anchor.

    Raises:
        MissingExtraError: bjontegaard is not installed.
    """
    package = _load()
    curves: dict[tuple[str, str], list[Mean]] = {}
    for mean in means:
        if not mean.missing and math.isfinite(mean.value):
            curves.setdefault((mean.figure, mean.contender), []).append(mean)
    names = dict.fromkeys(mean.contender for mean in means if mean.contender != anchor)
    return [
        _compare(package, figure, (anchor, curves.get((figure, anchor), [])), (name, curves.get((figure, name), [])))
        for figure in dict.fromkeys(mean.figure for mean in means)
        for name in names
    ]


def _compare(package: Any, figure: str, anchor: tuple[str, list[Mean]], other: tuple[str, list[Mean]]) -> BdRate:
    curves = [_curve(figure, means) for _, means in (anchor, other)]
    result = BdRate(
        figure=figure,
        anchor=anchor[0],
        contender=other[0],
        percent=None,
        points=(len(curves[0][0]), len(curves[1][0])),
        overlap=_overlap(curves[0][1], curves[1][1]),
    )
    notes = list(_doubts(result))
    percent = None
    if min(result.points) >= LEAST_POINTS and result.overlap > 0:
        with warnings.catch_warnings():
            # The overlap is reported here.
            warnings.simplefilter("ignore")
            (rate, quality), (other_rate, other_quality) = curves
            found = package.bd_rate(
                rate, quality, other_rate, other_quality, method="akima", require_matching_points=False, min_overlap=0
            )
        percent = float(found) if math.isfinite(found) else None
    return BdRate(
        figure=result.figure,
        anchor=result.anchor,
        contender=result.contender,
        percent=percent,
        points=result.points,
        overlap=result.overlap,
        warning="; ".join(notes),
    )


def _curve(figure: str, means: Sequence[Mean]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return bytes and quality, both rising: points where more bytes gave no better quality are left out."""
    sign = -1 if figure_of(figure).less_is_better else 1
    rates: list[float] = []
    values: list[float] = []
    for mean in sorted(means, key=lambda mean: mean.bytes):
        if not values or (sign * mean.value > values[-1] and mean.bytes > rates[-1]):
            rates.append(mean.bytes)
            values.append(sign * mean.value)
    return np.array(rates), np.array(values)


def _overlap(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    if not len(first) or not len(second):
        return 0.0
    shared = min(first[-1], second[-1]) - max(first[0], second[0])
    whole = max(first[-1], second[-1]) - min(first[0], second[0])
    return float(max(shared, 0.0) / whole) if whole > 0 else 0.0


def _doubts(result: BdRate) -> Iterator[str]:
    if min(result.points) < LEAST_POINTS:
        yield f"a curve needs {LEAST_POINTS} rising points; these have {result.points[0]} and {result.points[1]}"
    if result.overlap <= 0:
        yield "the curves do not overlap"
    elif result.overlap < ENOUGH_OVERLAP:
        yield f"the curves overlap on {100 * result.overlap:.0f} % of their range"


def _load() -> Any:
    try:
        import bjontegaard
    except ImportError as error:
        raise MissingExtraError("Bjontegaard deltas", "bench") from error
    return bjontegaard
