"""Means with 95 % confidence intervals over repetitions."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

#: Quantiles of Student's t distribution, 97.5 %, for 1 to 30 degrees of freedom; the normal one beyond.
_T = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
_NORMAL = 1.960


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean over repetitions.

    Attributes:
        mean: the mean; None without any value.
        half_width: half of the 95 % interval; None with fewer than two repetitions.
        count: repetitions with a value.
    """

    mean: float | None
    half_width: float | None
    count: int

    @classmethod
    def of(cls, values: Sequence[float | None]) -> "Estimate":
        """Estimate the mean of independent repetitions; None values are left out."""
        known = [value for value in values if value is not None]
        if not known:
            return cls(mean=None, half_width=None, count=0)
        mean = statistics.fmean(known)
        if len(known) < 2:
            return cls(mean=mean, half_width=None, count=1)
        quantile = _T[len(known) - 2] if len(known) - 2 < len(_T) else _NORMAL
        spread = statistics.stdev(known) / math.sqrt(len(known))
        return cls(mean=mean, half_width=quantile * spread, count=len(known))

    def row(self) -> dict[str, float | int | None]:
        """Return the estimate as JSON."""
        return {
            "mean": None if self.mean is None else round(self.mean, 6),
            "ci95": None if self.half_width is None else round(self.half_width, 6),
            "n": self.count,
        }
