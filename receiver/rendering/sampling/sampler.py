"""The denoising loop, one step at a time: several pictures in one batch, each at its own step.

A `DenoisingRun` holds the whole state of one picture between two steps. So between any two steps it can wait, get new
conditions, rewind, or be dropped.
"""

import copy
from typing import Any

import torch
from torch import Tensor

from codec.layers import Size
from receiver.rendering.models.model import Model
from receiver.rendering.models.schedules import (
    clean_estimate,
    fresh_copy,
    is_stochastic,
    mix_noise,
    prediction_for,
    starting_scale,
    take_step,
)
from receiver.rendering.sampling.conditioning import Conditioning
from receiver.rendering.sampling.guidance import pull_low_band
from receiver.rendering.sampling.noise import draw_noise
from receiver.rendering.sampling.starts import StartingPoint


class DenoisingRun:
    """The denoising of one picture.

    Attributes:
        conditions: the UNet's conditions; may be replaced between steps.
        start: the picture that the run begins from; None for noise. May be replaced; counts from the next restart.
        steps: steps of a run from noise.
        begin: the step that this run began at; 0 for noise.
        done: steps done, those before `begin` included.
        clean: the clean estimate after the last step, (1, C, h, w); None before the first step.
    """

    def __init__(
        self,
        model: Model,
        conditions: Conditioning,
        *,
        size: Size,
        seed: int,
        steps: int,
        start: StartingPoint | None = None,
    ) -> None:
        """Start from noise, or from an earlier picture.

        Args:
            model: the model to run.
            conditions: the UNet's conditions.
            size: (width, height) to render at, in pixels; see `render_size`.
            seed: of the starting noise, 0 to 2**64 - 1.
            steps: denoising steps of a run from noise.
            start: the picture to begin from; None for noise.

        Raises:
            UsageError: the model's scheduler cannot do that number of steps.
        """
        self.conditions = conditions
        self.start = start
        self.steps = steps
        self.begin = 0
        self.done = 0
        self.clean: Tensor | None = None
        self._model = model
        self._seed = seed
        width, height = (side // model.pixels_per_latent for side in size)
        self._shape = (1, int(model.unet.config.in_channels), height, width)
        self._scheduler: Any = None
        self._sample: Tensor
        self.restart()

    @property
    def finished(self) -> bool:
        """Whether no step is left."""
        return self.done >= self.steps

    @property
    def shape(self) -> tuple[int, ...]:
        """The sample's shape, and the number of text tokens. Runs of one shape fit into one batch."""
        return (*self._shape, self.conditions.text.tokens.shape[1])

    def restart(self) -> None:
        """Go back to the starting noise, or to the starting picture with its share of that noise."""
        self._scheduler = fresh_copy(self._model.scheduler, self.steps)
        # Schedulers may change the number of steps, for example if timesteps would coincide.
        self.steps = len(self._scheduler.timesteps)
        self.begin = 0
        if self.start is not None and (begin := self.start.first_step(self.steps)):
            self.clean, self.begin = self.start.latents, begin
            self.rewind(begin)
            return
        self._sample = self._noise() * starting_scale(self._scheduler)
        self.done = 0
        self.clean = None

    @torch.inference_mode()
    def rewind(self, step: int) -> None:
        """Go back to before step `step` (from 0): mix the clean estimate with that step's share of starting noise."""
        if self.clean is None or step <= 0:
            self.restart()
            return
        self._scheduler = fresh_copy(self._model.scheduler, self.steps, begin=step)
        self._sample = mix_noise(self._scheduler, step, self.clean, self._noise())
        self.done = step
        self.begin = min(self.begin, step)

    def fork(self) -> "DenoisingRun":
        """Return a copy of this run at the same step; the two continue independently."""
        twin = copy.copy(self)
        twin._scheduler = copy.deepcopy(self._scheduler)  # noqa: SLF001 - same class
        return twin

    @property
    def sample(self) -> Tensor:
        """The sample before the next step, (1, C, h, w) float32; the clean latents once the run is finished."""
        return self._sample

    @property
    def features(self) -> tuple[Tensor, ...] | None:
        """The adapters' features for the next step; none after the share of steps at which adapters act."""
        features = self.conditions.features
        if features is None or self.done < int(self.steps * self._model.settings.adapter_conditioning_factor):
            return features
        return tuple(torch.zeros_like(level) for level in features) if self._model.fill_features else None

    @property
    def timestep(self) -> Tensor:
        """The next step's timestep."""
        return torch.as_tensor(self._scheduler.timesteps[self.done])

    @torch.inference_mode()
    def apply(self, prediction: Tensor) -> None:
        """Do the next step with the UNet's prediction for it, (1, C, h, w) float32."""
        added = self._noise(self.done + 1) if is_stochastic(self._scheduler) else None
        self.clean = clean_estimate(self._scheduler, self.done, self._sample, prediction)
        if self.conditions.colors is not None:
            self.clean = pull_low_band(self.clean, self.conditions.colors, self.conditions.pull)
            prediction = prediction_for(self._scheduler, self.done, self._sample, self.clean)
        self._sample = take_step(self._scheduler, self.done, self._sample, prediction, added)
        self.done += 1

    def _noise(self, stream: int = 0) -> Tensor:
        return torch.from_numpy(draw_noise(self._shape, self._seed, stream)).to(self._model.device)
