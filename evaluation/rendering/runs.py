"""Runs driven step by step, without the engine's thread: the same steps, and each of them counted."""

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from codec.layers import Priors

if TYPE_CHECKING:
    from receiver.rendering.engine.job import RenderJob
    from receiver.rendering.models.model import Model


class Studio:
    """Draws pictures with one model and counts the UNet's passes."""

    def __init__(self, model: "Model", steps: int) -> None:
        from receiver.rendering.sampling.conditioning import Conditioner

        # Previews cost time, and change nothing in what comes of a run.
        self.model = replace(model, settings=replace(model.settings, previews=()))
        self.steps = steps
        self.passes = 0
        self._conditioner = Conditioner(self.model)

    def begin(self, priors: Priors, seed: int) -> "RenderJob":
        """A job that has not done a step."""
        from receiver.rendering.engine.job import RenderJob

        return RenderJob(self.model, self._conditioner, priors, seed=seed, steps=self.steps, clock=time.monotonic)

    def advance(self, job: "RenderJob", done: int) -> None:
        """Take a job to where `done` steps of its run are behind it."""
        from receiver.rendering.sampling.sampler import advance

        while job.run.done < done:
            advance(self.model, [job.run])
            self.passes += 1

    def finish(self, job: "RenderJob") -> NDArray[np.uint8]:
        """Take a job to its end: the picture, (H, W, 3) uint8 RGB."""
        self.advance(job, job.run.steps)
        frame = job.draw_frame()
        assert frame is not None
        return np.asarray(frame.image, np.uint8)

    def draw(self, priors: Priors, seed: int) -> NDArray[np.uint8]:
        """A whole run."""
        return self.finish(self.begin(priors, seed))

    def fork(self, job: "RenderJob", priors: Priors) -> "RenderJob":
        """A job at the same step of the same run, with other layers, whatever the plan says."""
        twin = self.begin(priors, 0)
        conditions = twin.run.conditions
        twin.run = job.run.fork()
        twin.run.conditions = conditions
        return twin
