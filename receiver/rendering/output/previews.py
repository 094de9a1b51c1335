"""Previews: when to show one."""

from collections.abc import Collection


def preview_due(done: int, steps: int, previews: Collection[int], *, layers_changed: bool) -> bool:
    """Return whether to show the clean estimate after a step.

    Args:
        done: steps done, this one included.
        steps: steps of the run; after the last one comes a final frame instead.
        previews: steps after which the model shows a preview.
        layers_changed: whether layers changed since the last frame.
    """
    return done < steps and (done in previews or (layers_changed and done > min(previews, default=steps)))
