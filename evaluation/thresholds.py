"""Bars: what a figure must reach, and whether it does."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Threshold:
    """A figure held against what is promised.

    Attributes:
        what: what was measured, with its unit.
        figure: what it came to.
        bound: what it must come to.
        at_least: whether more is better; else less is.
    """

    what: str
    figure: float
    bound: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the figure reaches the bar."""
        return self.figure >= self.bound if self.at_least else self.figure <= self.bound
