"""What to do with a running render when layers arrive: join, rewind or restart. Pure.

A condition only shapes what the denoiser has not settled yet, and structure is settled first: T2I-Adapter itself
trains with most of its samples at high noise for that reason (arXiv 2302.08453, section 3.4). So

    join      while little is settled, the new condition simply takes part in the steps left;
    rewind    later, the clean estimate is mixed with noise again and only the tail is redone;
    restart   later still, or where a run is so short that nothing is saved, from the first step.
"""

import enum
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from codec.layers import Layer, Priors
from receiver.rendering.settings.arrival_limits import ArrivalLimits


class Action(enum.Enum):
    """What happens to a run."""

    JOIN = "join"
    REWIND = "rewind"
    RESTART = "restart"


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, and the step that the run goes on from (0 for a restart)."""

    action: Action
    step: int


_NEVER = ArrivalLimits(join=0.0)


def changed_layers(before: Priors, after: Priors) -> frozenset[Layer]:
    """The layers that came, went or got better between two states of one picture."""
    changed = {
        Layer.SEMANTIC: before.semantic != after.semantic,
        Layer.STRUCTURE: before.structure != after.structure or before.skeleton != after.skeleton,
        Layer.TEXTURE: before.texture != after.texture,
    }
    return frozenset(layer for layer, differs in changed.items() if differs)


def decide(done: int, steps: int, changed: Collection[Layer], limits: Mapping[Layer, ArrivalLimits]) -> Decision:
    """Decide what to do with a run.

    Args:
        done: steps that the run has behind it.
        steps: steps of the whole run.
        changed: the layers that differ from those the run was started with.
        limits: the model's limits; a layer without any can only join a run that has not begun.

    Returns:
        The gentlest action that suits every changed layer.
    """
    progress = done / steps
    decisions = [_decide_one(progress, done, steps, limits.get(layer, _NEVER)) for layer in changed]
    return min(decisions, key=lambda decision: decision.step, default=Decision(Action.JOIN, done))


def _decide_one(progress: float, done: int, steps: int, limits: ArrivalLimits) -> Decision:
    if progress <= limits.join:
        return Decision(Action.JOIN, done)
    # A share that was measured as a whole number of steps shall be that number again.
    step = int(limits.rewind_to * steps + 1e-6)
    if progress <= limits.rewind and 0 < step < done:
        return Decision(Action.REWIND, step)
    return Decision(Action.RESTART, 0)
