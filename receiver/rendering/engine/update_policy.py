"""Update policy: what to do with a running render when layers arrive: join, rewind or restart. Pure.

A condition only shapes what the denoiser has not settled yet, and it settles structure first. T2I-Adapter is trained
mostly on samples of high noise for that reason (arXiv 2302.08453, section 3.4). So:

    join      early on, the new condition takes part in the remaining steps;
    rewind    later, the clean estimate is mixed with noise again and only the tail is redone;
    restart   later still, or in a run so short that a rewind saves nothing, the run starts again.
"""

import enum
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from codec.layers import Layer, Priors
from receiver.rendering.settings.arrival_limits import ArrivalLimits


class Action(enum.Enum):
    """What happens to a run when layers arrive."""

    JOIN = "join"
    REWIND = "rewind"
    RESTART = "restart"


@dataclass(frozen=True, slots=True)
class Decision:
    """The action, and the step that the run continues from (0 for a restart)."""

    action: Action
    step: int


_NEVER = ArrivalLimits(join=0.0)


def changed_layers(before: Priors, after: Priors) -> frozenset[Layer]:
    """Return the layers that were added, removed or refined between two states of one picture."""
    changed = {
        Layer.SEMANTIC: before.semantic != after.semantic,
        Layer.STRUCTURE: before.structure != after.structure or before.skeleton != after.skeleton,
        Layer.TEXTURE: before.texture != after.texture,
        Layer.DETAIL: before.plane != after.plane,
    }
    return frozenset(layer for layer, differs in changed.items() if differs)


def decide(done: int, steps: int, changed: Collection[Layer], limits: Mapping[Layer, ArrivalLimits]) -> Decision:
    """Choose the action that keeps most steps and is allowed for every changed layer.

    Args:
        done: steps done.
        steps: steps of the whole run.
        changed: the layers that differ from those that the run was started with.
        limits: the model's limits; a layer without limits can only join a run that has not begun.
    """
    progress = done / steps
    decisions = [_decide_one(progress, done, steps, limits.get(layer, _NEVER)) for layer in changed]
    return min(decisions, key=lambda decision: decision.step, default=Decision(Action.JOIN, done))


def _decide_one(progress: float, done: int, steps: int, limits: ArrivalLimits) -> Decision:
    if progress <= limits.join:
        return Decision(Action.JOIN, done)
    # Shares were measured at whole steps; the small number makes up for rounding, so that they give that step again.
    step = int(limits.rewind_to * steps + 1e-6)
    if progress <= limits.rewind and 0 < step < done:
        return Decision(Action.REWIND, step)
    return Decision(Action.RESTART, 0)
