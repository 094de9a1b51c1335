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
    from receiver.rendering.sampling.starts import EarlierPicture


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
    from receiver.rendering.loader import load_model

    loaded = load_model(model, device) if isinstance(model, str | Path) else model
    return LevelRenderer(loaded, seed, steps=steps).render(priors)


class LevelRenderer:
    """Renders one picture level by level; a level may begin from the one before, as the model's `StartPlan` says.

    Attributes:
        passes: passes of the denoiser so far.
    """

    def __init__(self, model: "Model", seed: int = 0, *, steps: int | None = None) -> None:
        """Begin a picture.

        Args:
            model: a loaded model.
            seed: of the starting noise, 0 to 2**64 - 1.
            steps: denoising steps of a run from noise, 1 to 1000; None for the model's own number.
        """
        from receiver.rendering.sampling.conditioning import Conditioner

        self._model = model
        self._seed = seed
        self._steps = steps
        self._conditioner = Conditioner(model)
        self._earlier: EarlierPicture | None = None
        self.passes = 0

    def render(self, priors: Priors) -> Iterator[Frame]:
        """Render the next level; its last frame is final.

        Raises:
            UsageError: the number of steps is out of range.
        """
        from receiver.rendering.engine.jobs.job import start_job

        job = start_job(
            self._model,
            self._conditioner,
            priors,
            seed=self._seed,
            steps=self._steps,
            clock=time.monotonic,
            earlier=self._earlier,
        )
        return self._frames(job)

    def _frames(self, job: "RenderJob") -> Iterator[Frame]:
        from receiver.rendering.sampling.passes import advance

        final = False
        while not final:
            if job.run is not None:
                advance(self._model, [job.run])
                self.passes += 1
            draft = job.draft_frame()
            if draft is not None:
                final = draft.recipe.final
                if final:
                    self._earlier = job.finished_picture()
                yield draft.draw(self._model)
