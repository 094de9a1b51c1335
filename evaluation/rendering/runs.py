"""Runs driven step by step without the engine's thread: the same steps, and all passes are counted."""

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from codec.layers import Priors

if TYPE_CHECKING:
    from receiver.rendering.engine.jobs.denoising_job import DenoisingJob
    from receiver.rendering.models.model import Model
    from receiver.rendering.sampling.starts import EarlierPicture


class RunDriver:
    """Renders pictures with one model, step by step.

    Attributes:
        model: the model, without previews.
        steps: steps of a run.
        passes: UNet passes so far.
    """

    def __init__(self, model: "Model", steps: int) -> None:
        from receiver.rendering.sampling.conditioning import Conditioner

        # Previews cost time and do not change the final picture.
        self.model = replace(model, settings=replace(model.settings, previews=()))
        self.steps = steps
        self.passes = 0
        self._conditioner = Conditioner(self.model)

    def begin(self, priors: Priors, seed: int, *, earlier: "EarlierPicture | None" = None) -> "DenoisingJob":
        """Start a job, without doing a step; `earlier` is the finished picture of the level before, if any."""
        from receiver.rendering.engine.jobs.denoising_job import DenoisingJob

        return DenoisingJob(
            self.model,
            self._conditioner,
            priors,
            seed=seed,
            steps=self.steps,
            clock=time.monotonic,
            earlier=earlier,
        )

    def advance(self, job: "DenoisingJob", done: int) -> None:
        """Advance a job until `done` steps of its run are done."""
        from receiver.rendering.sampling.passes import advance

        while job.run.done < done:
            advance(self.model, [job.run])
            self.passes += 1

    def finish(self, job: "DenoisingJob") -> NDArray[np.uint8]:
        """Advance a job to its end; return the picture, (H, W, 3) uint8 RGB."""
        self.advance(job, job.run.steps)
        draft = job.draft_frame()
        assert draft is not None
        return np.asarray(draft.draw(self.model).image, np.uint8)

    def draw(self, priors: Priors, seed: int) -> NDArray[np.uint8]:
        """Render a picture in a whole run; return (H, W, 3) uint8 RGB."""
        return self.finish(self.begin(priors, seed))

    def fork(self, job: "DenoisingJob", priors: Priors) -> "DenoisingJob":
        """Copy a job at its current step with other layers, without applying the update policy."""
        twin = self.begin(priors, 0)
        conditions = twin.run.conditions
        twin.run = job.run.fork()
        twin.run.conditions = conditions
        return twin
