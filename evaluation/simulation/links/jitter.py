"""Random delays with netem's distributions, and correlation from packet to packet.

netem averages each uniform number with the one before, which narrows the jitter as the correlation grows. Here a
Gaussian process drives the quantiles: the distribution stays the same at any correlation.
"""

import math
import random
from collections.abc import Callable, Iterator
from statistics import NormalDist

#: Quantile functions with mean 0. Uniform: from -1 to 1. Normal and Pareto (shape 3): standard deviation 1.
DISTRIBUTIONS: dict[str, Callable[[float], float]] = {
    "uniform": lambda u: 2 * u - 1,
    "normal": NormalDist().inv_cdf,
    "pareto": lambda u: ((1 - u) ** (-1 / 3) - 1.5) / math.sqrt(0.75),
}

#: Quantiles that are not used, so that all delays are finite.
_EDGE = 1e-9


def jitter_sampler(rng: random.Random, *, jitter: float, correlation: float, distribution: str) -> Callable[[], float]:
    """Return a function that draws the extra delay of the next packet, in seconds; it may be negative.

    Args:
        rng: the random source.
        jitter: half the width of the uniform distribution, or the standard deviation of the others, in seconds.
        correlation: of the driving Gaussian process from one packet to the next, 0 to below 1.
        distribution: a name of `DISTRIBUTIONS`.
    """
    quantile, normal = DISTRIBUTIONS[distribution], NormalDist()

    def delays() -> Iterator[float]:
        level = rng.gauss(0, 1)
        while True:
            share = min(max(normal.cdf(level), _EDGE), 1 - _EDGE)
            yield jitter * quantile(share)
            level = correlation * level + math.sqrt(1 - correlation * correlation) * rng.gauss(0, 1)

    return delays().__next__
