"""Thresholds that a benchmark figure must reach."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Threshold:
    """A measured figure and its bound.

    Attributes:
        what: the measured quantity, with its unit.
        figure: the measured value.
        bound: the value that it must reach.
        at_least: the figure must be at least the bound; else at most.
    """

    what: str
    figure: float
    bound: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the figure meets the bound."""
        return self.figure >= self.bound if self.at_least else self.figure <= self.bound
