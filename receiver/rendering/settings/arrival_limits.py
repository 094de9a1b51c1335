"""How late each layer may join a running render, for runs of so many steps."""

from collections.abc import Mapping
from dataclasses import dataclass

from codec.layers import Layer


@dataclass(frozen=True, slots=True)
class ArrivalLimits:
    """How late one layer may come, in shares of the run's steps from 0 to 1.

    Attributes:
        join: up to here the layer joins.
        rewind: up to here the run is rewound; beyond, it starts again.
        rewind_to: where a rewound run goes on from.
    """

    join: float
    rewind: float = 0.0
    rewind_to: float = 0.0


#: Runs of four or eight steps: a rewind would save next to nothing, and a restart looks best.
FEW_STEPS: Mapping[Layer, ArrivalLimits] = {
    Layer.SEMANTIC: ArrivalLimits(join=0.0),
    Layer.STRUCTURE: ArrivalLimits(join=0.125),
    Layer.TEXTURE: ArrivalLimits(join=0.25),
}


#: Runs of twenty steps and more. Colours are settled later than lines, and so may come later.
MANY_STEPS: Mapping[Layer, ArrivalLimits] = {
    Layer.SEMANTIC: ArrivalLimits(join=0.05),
    Layer.STRUCTURE: ArrivalLimits(join=0.2, rewind=0.5, rewind_to=0.15),
    Layer.TEXTURE: ArrivalLimits(join=0.35, rewind=0.75, rewind_to=0.25),
}


#: Limits of each layer for runs of at least so many steps.
LimitsBySteps = Mapping[int, Mapping[Layer, ArrivalLimits]]


#: For models that nobody measured.
USUAL_LIMITS: LimitsBySteps = {1: FEW_STEPS, 12: MANY_STEPS}


def limits_for(steps: int, tables: LimitsBySteps) -> Mapping[Layer, ArrivalLimits]:
    """The table for a run of so many steps; an empty one, which always restarts, if there is none."""
    fitting = [least for least in tables if least <= steps]
    return tables[max(fitting)] if fitting else {}
