"""Render one picture in the caller's own thread."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Union

from codec.layers import Priors
from receiver.rendering.extras import require_render_extra
from receiver.rendering.frames import Frame

if TYPE_CHECKING:
    from receiver.rendering.engine.jobs.job import RenderJob
    from receiver.rendering.models.model import Model


def render(
    priors: Priors,
    seed: int = 0,
    *,
    model: Union[str, Path, "Model"] = "mini",
    device: str = "auto",
    steps: int | None = None,
) -> Iterator[Frame]:
    """Render a picture from the layers that are known.

    Args:
        priors: the layers; any may be missing.
        seed: of the starting noise, 0 to 2**64 - 1.
        model: a loaded model, or a name, folder or hub id for `load_model`.
        device: the device to load the model to, see `load_model`.
        steps: denoising steps, 1 to 1000; None for the model's own number. A picture with a plane is not denoised by
            a model that restores planes.

    Returns:
        Frames, each better than the one before; the last one is final.

    Raises:
        MissingExtraError: the diffusion libraries are not installed.
        UnknownModelError: no model of that name.
        MissingModelError: the model's files are not on this machine.
        ModelFilesError: the model's files are incomplete or broken.
        UsageError: the number of steps is out of range, or there is no such device.
    """
    require_render_extra()
    from receiver.rendering.engine.jobs.job import start_job
    from receiver.rendering.loader import load_model
    from receiver.rendering.sampling.conditioning import Conditioner

    loaded = load_model(model, device) if isinstance(model, str | Path) else model
    job = start_job(loaded, Conditioner(loaded), priors, seed=seed, steps=steps, clock=time.monotonic)
    return _frames(loaded, job)


def _frames(model: "Model", job: "RenderJob") -> Iterator[Frame]:
    from receiver.rendering.sampling.sampler import advance

    final = False
    while not final:
        if job.run is not None:
            advance(model, [job.run])
        draft = job.draft_frame()
        if draft is not None:
            frame = draft.draw(model)
            final = frame.final
            yield frame
