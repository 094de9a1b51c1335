"""What is compared: layercast with some options, or another picture format at its best."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from evaluation.formats.best_fit import FormatSearch
from evaluation.formats.formats import load_format
from evaluation.quality.figures import figure_of
from evaluation.rate_distortion.pictures import EvaluatedPicture
from evaluation.rate_distortion.points import FigureValue, Point


class Contender(Protocol):
    """A way to turn a picture into few bytes and back."""

    @property
    def name(self) -> str:
        """Its name in results and file names."""
        ...

    @property
    def label(self) -> str:
        """Its name for people."""
        ...

    @property
    def settings(self) -> str:
        """How it encodes, for reports."""
        ...

    def identity(self) -> str:
        """Return a text that changes whenever results may change."""
        ...

    def measure(self, subject: EvaluatedPicture, budgets: Sequence[int], figures: Sequence[str]) -> Iterator[Point]:
        """Measure a picture at each budget, in their order."""
        ...

    def redraw(self, subject: EvaluatedPicture, point: Point, figure: str) -> NDArray[np.uint8]:
        """Return the picture that a figure of a point was measured on: (H, W, 3) uint8 RGB."""
        ...


@dataclass(frozen=True, slots=True)
class FormatContender:
    """Another picture format. Each figure is that of the file of at most the budget that is best for this figure.

    Attributes:
        name: the format's name.
    """

    name: str

    @property
    def label(self) -> str:
        """The format's name for people."""
        return load_format(self.name).label

    @property
    def settings(self) -> str:
        """How the format encodes."""
        return f"{load_format(self.name).settings}; best scale and quality for each figure"

    def identity(self) -> str:
        """Return the format, its settings and the encoder's version."""
        return f"{self.name}: {self.settings}"

    def measure(self, subject: EvaluatedPicture, budgets: Sequence[int], figures: Sequence[str]) -> Iterator[Point]:
        """Measure a picture at each budget, in their order."""
        search = FormatSearch(subject.original, load_format(self.name))
        for budget in budgets:
            best = _best(search, budget, subject, figures)
            reason = "" if best else f"the smallest file takes {search.least_bytes()} bytes"
            yield Point(
                contender=self.name,
                picture=subject.path.name,
                budget=budget,
                size=subject.size,
                figures=best,
                reason=reason,
            )

    def redraw(self, subject: EvaluatedPicture, point: Point, figure: str) -> NDArray[np.uint8]:
        """Return the picture that a figure of a point was measured on: (H, W, 3) uint8 RGB."""
        recipe = point.figures[figure].recipe
        assert recipe is not None
        return FormatSearch(subject.original, load_format(self.name)).make(recipe).pixels


def _best(
    search: FormatSearch, budget: int, subject: EvaluatedPicture, figures: Sequence[str]
) -> dict[str, FigureValue]:
    best: dict[str, FigureValue] = {}
    for candidate in search.candidates(budget):
        for name, value in subject.reference.measure(candidate.pixels, figures).items():
            # A figure that a small picture does not have is not a number, and is left out.
            if math.isfinite(value) and (name not in best or figure_of(name).is_better(value, best[name].value)):
                best[name] = FigureValue(
                    value=value,
                    bytes=len(candidate.data),
                    recipe=candidate.recipe,
                    encode_s=candidate.encode_s,
                    decode_s=candidate.decode_s,
                )
    return best
