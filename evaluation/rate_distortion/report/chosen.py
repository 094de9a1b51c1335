"""Pictures of a run, made again for sheets and pages: ours, and the best of the others at equal bytes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from codec.layers import Layer
from evaluation.quality.figures import figure_of
from evaluation.rate_distortion.contenders import Contender
from evaluation.rate_distortion.layercast_contender import LayercastContender
from evaluation.rate_distortion.pictures import EvaluatedPicture
from evaluation.rate_distortion.points import Point
from evaluation.rate_distortion.report.sheet import Column

#: The budget of the levels before detail, and of the other formats on the sheet, in bytes.
LEVEL_BUDGET = 655

_Pixels = NDArray[np.uint8]


class Gallery:
    """Makes pictures of measured points again.

    Args:
        contenders: the contenders of the run.
        points: its points.
        figure: name of the figure by which other formats take their best file.
    """

    def __init__(self, contenders: Sequence[Contender], points: Sequence[Point], figure: str) -> None:
        self._contenders = {contender.name: contender for contender in reversed(contenders)}
        self._points = {(point.contender, point.picture, point.budget): point for point in reversed(points)}
        self.figure = figure

    def point(self, contender: str, subject: EvaluatedPicture, budget: int) -> Point | None:
        """Return the measured point; None if it was not measured or nothing fitted."""
        point = self._points.get((contender, subject.path.name, budget))
        return point if point is not None and self.figure in point.figures else None

    def draw(self, contender: str, subject: EvaluatedPicture, budget: int) -> _Pixels | None:
        """Return the picture of a contender, (H, W, 3) uint8 RGB; None if nothing fitted."""
        point = self.point(contender, subject, budget)
        return None if point is None else self._contenders[contender].redraw(subject, point, self.figure)

    def best(self, rivals: Sequence[str], subject: EvaluatedPicture, budget: int) -> str | None:
        """Return the name of the rival that is best on a picture; None if none fitted."""
        found = [(name, point) for name in rivals if (point := self.point(name, subject, budget)) is not None]
        if not found:
            return None
        values = [point.figures[self.figure].value for _, point in found]
        return found[figure_of(self.figure).best(values)][0]


def progress_columns(
    ours: LayercastContender,
    gallery: Gallery,
    subjects: Sequence[EvaluatedPicture],
    budgets: Sequence[int],
    rivals: Sequence[str],
) -> list[Column]:
    """Return the columns of the sheet: original, text, + lines, + colours, + detail at each budget, and the rivals.

    Args:
        ours: layercast, as in the run.
        gallery: the pictures of the run.
        subjects: the pictures' files.
        budgets: budgets of the run, ascending, in bytes.
        rivals: names of other formats, each shown at `LEVEL_BUDGET`, or at the budget next to it.
    """
    budget = min(budgets, key=lambda each: abs(each - LEVEL_BUDGET))
    columns = [Column("original", [subject.original for subject in subjects])]
    for level, title in ((Layer.SEMANTIC, "text"), (Layer.STRUCTURE, "+ lines"), (Layer.TEXTURE, "+ colours")):
        columns.append(Column(title, [ours.draw_level(subject, budget, level) for subject in subjects]))
    for each in budgets:
        title = f"{'+ detail, ' if each == budgets[0] else ''}{each:,} B"
        columns.append(Column(title, [gallery.draw(ours.name, subject, each) for subject in subjects]))
    return columns + [
        Column(f"{name} {budget:,} B", [gallery.draw(name, subject, budget) for subject in subjects]) for name in rivals
    ]
