"""Limits on how late each layer may join a running render, by the run's number of steps."""

from collections.abc import Mapping
from dataclasses import dataclass

from codec.layers import Layer


@dataclass(frozen=True, slots=True)
class ArrivalLimits:
    """How late one layer may arrive, in shares of the run's steps from 0 to 1.

    Attributes:
        join: the layer joins the run up to this share.
        rewind: the run is rewound up to this share; later it restarts.
        rewind_to: the share that a rewound run continues from.
    """

    join: float
    rewind: float = 0.0
    rewind_to: float = 0.0


#: For runs of four or eight steps: a rewind would save very little, and a restart gives the best picture.
FEW_STEPS: Mapping[Layer, ArrivalLimits] = {
    Layer.SEMANTIC: ArrivalLimits(join=0.0),
    Layer.STRUCTURE: ArrivalLimits(join=0.125),
    Layer.TEXTURE: ArrivalLimits(join=0.25),
}


#: For runs of twenty steps and more. The denoiser settles colours later than edges, so colours may arrive later.
MANY_STEPS: Mapping[Layer, ArrivalLimits] = {
    Layer.SEMANTIC: ArrivalLimits(join=0.05),
    Layer.STRUCTURE: ArrivalLimits(join=0.2, rewind=0.5, rewind_to=0.15),
    Layer.TEXTURE: ArrivalLimits(join=0.35, rewind=0.75, rewind_to=0.25),
}


#: The limits of each layer, by the least number of steps that they apply to.
LimitsBySteps = Mapping[int, Mapping[Layer, ArrivalLimits]]


#: For models without measured limits.
USUAL_LIMITS: LimitsBySteps = {1: FEW_STEPS, 12: MANY_STEPS}


def limits_for(steps: int, tables: LimitsBySteps) -> Mapping[Layer, ArrivalLimits]:
    """Return the limits for a run of `steps` steps; empty, which means always restart, if no table applies."""
    fitting = [least for least in tables if least <= steps]
    return tables[max(fitting)] if fitting else {}
