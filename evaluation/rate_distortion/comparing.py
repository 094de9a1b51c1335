"""Two results of the same pictures compared: what has become worse by more than a tolerance."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from evaluation.quality.figures import FIGURES
from evaluation.rate_distortion.files import Results
from evaluation.rate_distortion.points import Point
from evaluation.rate_distortion.summary import Mean, means_of
from layercast_common.errors import UsageError

#: Name of the size in the comparison, and the step that counts as a difference, as a share of the size.
BYTES, BYTES_STEP = "bytes", 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A mean in two results.

    Attributes:
        contender: name of the contender.
        budget: most bytes of a file.
        figure: name of the figure, or "bytes".
        before: the mean in the first results.
        after: the mean in the second; None if it is missing there.
        steps: the improvement in steps of the figure; negative if it has become worse.
    """

    contender: str
    budget: int
    figure: str
    before: float
    after: float | None
    steps: float


def compare_results(before: Results, after: Results) -> list[Change]:
    """Compare the means over the pictures that both results have.

    Args:
        before: the results that are the measure.
        after: the results to judge.

    Returns:
        The changes of every figure that the first results have, and of the sizes.

    Raises:
        UsageError: no picture is in both.
    """
    shared = set(before.pictures) & set(after.pictures)
    if not shared:
        raise UsageError("the two results have no picture in common")
    old, new = ({_key(mean): mean for mean in means_of(_only(results.points, shared))} for results in (before, after))
    changes = []
    sized: set[tuple[str, int]] = set()
    for key, mean in old.items():
        other = new.get(key)
        if other is not None and other.missing > mean.missing:
            other = None
        changes.append(_change(mean, other))
        if (mean.contender, mean.budget) not in sized:
            sized.add((mean.contender, mean.budget))
            changes += _change_of_size(mean, other)
    return changes


def worse(changes: Sequence[Change], tolerance: float) -> list[Change]:
    """Return the changes to the worse by more than `tolerance` steps, and what is missing."""
    return [change for change in changes if change.after is None or change.steps < -tolerance]


def _only(points: Sequence[Point], pictures: set[str]) -> Iterator[Point]:
    return (point for point in points if point.picture in pictures)


def _key(mean: Mean) -> tuple[str, int, str]:
    return mean.contender, mean.budget, mean.figure


def _change(mean: Mean, other: Mean | None) -> Change:
    figure = FIGURES.get(mean.figure)
    sign = -1 if figure is not None and figure.less_is_better else 1
    step = figure.step if figure is not None else abs(mean.value) * BYTES_STEP or 1.0
    return Change(
        contender=mean.contender,
        budget=mean.budget,
        figure=mean.figure,
        before=mean.value,
        after=None if other is None else other.value,
        steps=0.0 if other is None else sign * (other.value - mean.value) / step,
    )


def _change_of_size(mean: Mean, other: Mean | None) -> list[Change]:
    if other is None:
        return []
    return [
        Change(
            contender=mean.contender,
            budget=mean.budget,
            figure=BYTES,
            before=mean.bytes,
            after=other.bytes,
            steps=(mean.bytes - other.bytes) / (BYTES_STEP * mean.bytes),
        )
    ]
