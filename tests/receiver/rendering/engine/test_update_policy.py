from dataclasses import replace

import numpy as np
import pytest

from codec.layers import EdgeMap, Layer, Priors, Semantic, Skeleton
from receiver.rendering.engine.update_policy import Action, Decision, changed_layers, decide
from receiver.rendering.settings.arrival_limits import FEW_STEPS, MANY_STEPS

S, E, T = Layer.SEMANTIC, Layer.STRUCTURE, Layer.TEXTURE


@pytest.mark.parametrize(
    ("limits", "steps", "done", "changed", "expected"),
    [
        # No change: the run continues.
        (FEW_STEPS, 8, 5, (), Decision(Action.JOIN, 5)),
        # Not started: every layer joins, even one without limits.
        (FEW_STEPS, 8, 0, (S, E, T, Layer.DETAIL), Decision(Action.JOIN, 0)),
        # Few steps: edges join after one step of eight, colours after two; later the run restarts.
        (FEW_STEPS, 8, 1, (E,), Decision(Action.JOIN, 1)),
        (FEW_STEPS, 8, 2, (E,), Decision(Action.RESTART, 0)),
        (FEW_STEPS, 8, 2, (T,), Decision(Action.JOIN, 2)),
        (FEW_STEPS, 8, 2, (T, E), Decision(Action.RESTART, 0)),
        (FEW_STEPS, 8, 1, (S,), Decision(Action.RESTART, 0)),
        (FEW_STEPS, 4, 1, (E,), Decision(Action.RESTART, 0)),
        (FEW_STEPS, 8, 1, (Layer.DETAIL,), Decision(Action.RESTART, 0)),
        # Twenty steps: join before a fifth, rewind to the third step before the half, then restart.
        (MANY_STEPS, 20, 4, (E,), Decision(Action.JOIN, 4)),
        (MANY_STEPS, 20, 5, (E,), Decision(Action.REWIND, 3)),
        (MANY_STEPS, 20, 10, (E,), Decision(Action.REWIND, 3)),
        (MANY_STEPS, 20, 11, (E,), Decision(Action.RESTART, 0)),
        (MANY_STEPS, 20, 7, (T,), Decision(Action.JOIN, 7)),
        (MANY_STEPS, 20, 15, (T,), Decision(Action.REWIND, 5)),
        (MANY_STEPS, 20, 16, (T,), Decision(Action.RESTART, 0)),
        # The layer that needs the earliest step decides.
        (MANY_STEPS, 20, 7, (T, E), Decision(Action.REWIND, 3)),
        (MANY_STEPS, 20, 7, (T, E, S), Decision(Action.RESTART, 0)),
        # A rewind to before the first step is a restart.
        (MANY_STEPS, 4, 2, (E,), Decision(Action.RESTART, 0)),
    ],
)
def test_decisions(limits: dict, steps: int, done: int, changed: tuple[Layer, ...], expected: Decision) -> None:  # type: ignore[type-arg]
    assert decide(done, steps, changed, limits) == expected


def test_changed_layers() -> None:
    canvas = (64, 64)
    before = Priors(canvas, Semantic("a house"), EdgeMap(np.eye(4, dtype=bool), canvas))
    assert changed_layers(before, replace(before, structure=EdgeMap(np.eye(4, dtype=bool), canvas))) == frozenset()
    assert changed_layers(before, replace(before, structure=EdgeMap(np.eye(8, dtype=bool), canvas))) == {E}
    assert changed_layers(before, replace(before, skeleton=Skeleton((), canvas))) == {E}
    assert changed_layers(before, before.only([E])) == {S}
    assert changed_layers(Priors(canvas), before) == {S, E}
