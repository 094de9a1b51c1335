"""When the pictures of a workload come."""

import random

from evaluation.simulation.scenario.model import Workload


def arrival_times(workload: Workload, count: int, seed: int) -> tuple[float, ...]:
    """Return when each of `count` pictures comes, in seconds; random ones depend on the seed alone."""
    match workload.arrivals:
        case "times":
            return workload.times[:count]
        case "together":
            return (0.0,) * count
        case "poisson":
            rng = random.Random(f"arrivals {seed}")
            now, times = 0.0, []
            for _ in range(count):
                times.append(now)
                now += rng.expovariate(1 / workload.every) if workload.every else 0.0
            return tuple(times)
        case _:
            return tuple(number * workload.every for number in range(count))
