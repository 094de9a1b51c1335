"""What is compared: layercast with some options, or another picture format at its best."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from evaluation.formats.best_fit import FormatSearch
from evaluation.formats.formats import load_format
from evaluation.quality.figures import FIGURES
from evaluation.rate_distortion.pictures import Subject
from evaluation.rate_distortion.points import Measured, Point


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

    def measure(self, subject: Subject, budgets: Sequence[int], figures: Sequence[str]) -> Iterator[Point]:
        """Measure a picture at each budget, in their order."""
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

    def measure(self, subject: Subject, budgets: Sequence[int], figures: Sequence[str]) -> Iterator[Point]:
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


def _best(search: FormatSearch, budget: int, subject: Subject, figures: Sequence[str]) -> dict[str, Measured]:
    best: dict[str, Measured] = {}
    for candidate in search.candidates(budget):
        for name, value in subject.reference.measure(candidate.pixels, figures).items():
            if name not in best or FIGURES[name].is_better(value, best[name].value):
                best[name] = Measured(
                    value=value,
                    bytes=len(candidate.data),
                    settings=candidate.settings,
                    encode_s=candidate.encode_s,
                    decode_s=candidate.decode_s,
                )
    return best
