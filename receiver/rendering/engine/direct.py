"""Drawing one picture in the caller's own thread."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Union

from codec.layers import Priors
from receiver.rendering.extras import require_render_extra
from receiver.rendering.frames import Frame

if TYPE_CHECKING:
    from receiver.rendering.engine.job import RenderJob
    from receiver.rendering.models.model import Model


def render(
    priors: Priors,
    seed: int = 0,
    *,
    model: Union[str, Path, "Model"] = "mini",
    device: str = "auto",
    steps: int | None = None,
) -> Iterator[Frame]:
    """Draw a picture from the layers that are known of it.

    Args:
        priors: its layers; any may be missing.
        seed: of the starting noise.
        model: a loaded model, or what `load_model` takes.
        device: where to load the model to.
        steps: denoising steps; the model's own number if None.

    Returns:
        Frames as the picture gets better; the last one is final.

    Raises:
        RenderError: the model cannot be had, as `load_model` says.
        MissingExtraError: the diffusion libraries are not installed.
        UsageError: a number of steps or a device that cannot be.
    """
    require_render_extra()
    from receiver.rendering.engine.job import RenderJob
    from receiver.rendering.loader import load_model
    from receiver.rendering.sampling.conditioning import Conditioner

    loaded = load_model(model, device) if isinstance(model, str | Path) else model
    job = RenderJob(loaded, Conditioner(loaded), priors, seed=seed, steps=steps, clock=time.monotonic)
    return _frames(loaded, job)


def _frames(model: "Model", job: "RenderJob") -> Iterator[Frame]:
    from receiver.rendering.sampling.sampler import advance

    while not job.run.finished:
        advance(model, [job.run])
        frame = job.draw_frame()
        if frame:
            yield frame
