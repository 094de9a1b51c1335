"""The denoising loop, one step at a time: several pictures in one batch, each at its own step.

A `Run` holds all that one picture needs between two steps, so it can wait, take new conditions, go back, or be
dropped at any of them.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from codec.layers import Size
from receiver.rendering.conditioning import Conditions
from receiver.rendering.guidance import pull_low_band
from receiver.rendering.models import Model
from receiver.rendering.noise import draw_noise
from receiver.rendering.schedules import clean_estimate, fresh, is_stochastic, mix_noise, prediction_of, take_step


class Run:
    """One picture on its way from noise.

    Attributes:
        conditions: what steers it; may be replaced between steps.
        steps: steps of the whole run.
        done: steps behind it.
        clean: (1, C, h, w) the clean estimate after the last step; None before the first.
    """

    def __init__(self, model: Model, conditions: Conditions, *, size: Size, seed: int, steps: int) -> None:
        """Begin a run.

        Args:
            size: (width, height) to render at, in pixels; see `render_size`.
            seed: of the starting noise.
            steps: denoising steps.
        """
        self.conditions = conditions
        self.steps = steps
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
        """Shape of the sample: runs of one shape fit into one batch."""
        return self._shape

    def restart(self) -> None:
        """Go back to the starting noise."""
        self._scheduler = fresh(self._model.scheduler, self.steps)
        # Schedulers may do fewer or more steps than asked for, e.g. where timesteps would coincide.
        self.steps = len(self._scheduler.timesteps)
        self._sample = self._noise() * float(self._scheduler.init_noise_sigma)
        self.done = 0
        self.clean = None

    @torch.inference_mode()
    def rewind(self, step: int) -> None:
        """Go back to before step `step` (from 0): the clean estimate and as much starting noise as belongs there."""
        if self.clean is None or step <= 0:
            self.restart()
            return
        self._scheduler = fresh(self._model.scheduler, self.steps, begin=step)
        self._sample = mix_noise(self._scheduler, step, self.clean, self._noise())
        self.done = step

    @property
    def sample(self) -> Tensor:
        """(1, C, h, w) float32: the sample before the next step; the clean latents once finished."""
        return self._sample

    @property
    def timestep(self) -> Tensor:
        """The next step's time, as the UNet counts it."""
        return torch.as_tensor(self._scheduler.timesteps[self.done])

    @torch.inference_mode()
    def take(self, prediction: Tensor) -> None:
        """Do the next step with the UNet's prediction for it, (1, C, h, w) float32."""
        added = self._noise(self.done + 1) if is_stochastic(self._scheduler) else None
        self.clean = clean_estimate(self._scheduler, self.done, self._sample, prediction)
        if self.conditions.colors is not None:
            self.clean = pull_low_band(self.clean, self.conditions.colors, self._model.settings.color_pull)
            prediction = prediction_of(self._scheduler, self.done, self._sample, self.clean)
        self._sample = take_step(self._scheduler, self.done, self._sample, prediction, added)
        self.done += 1

    def _noise(self, stream: int = 0) -> Tensor:
        return torch.from_numpy(draw_noise(self._shape, self._seed, stream)).to(self._model.device)


@torch.inference_mode()
def predict(model: Model, runs: Sequence[Run]) -> list[Tensor]:
    """Ask the UNet, in one batch, for the next step of each run; the runs stay as they are.

    Args:
        runs: of one shape, none of them finished.

    Returns:
        For each run (1, C, h, w) float32, guidance applied.
    """
    guidance = model.settings.guidance
    texts, samples, times, owners = [], [], [], []
    for run in runs:
        negative, text = run.conditions.negative, run.conditions.text
        for embedding in (text,) if negative is None else (negative, text):
            texts.append(embedding)
            samples.append(run.sample)
            times.append(run.timestep)
            owners.append(run)
    output = model.unet(
        torch.cat(samples).to(model.dtype).contiguous(memory_format=torch.channels_last),
        torch.stack(times).to(model.device),
        encoder_hidden_states=torch.cat(texts),
        down_intrablock_additional_residuals=_stack_features([run.conditions.features for run in owners]),
        return_dict=False,
    )[0].float()
    rows = iter(output.split(1))
    predictions = []
    for run in runs:
        first = next(rows)
        predictions.append(first if run.conditions.negative is None else first + guidance * (next(rows) - first))
    return predictions


@torch.inference_mode()
def advance(model: Model, runs: Sequence[Run]) -> None:
    """Do one step of each run, in one batch."""
    for run, prediction in zip(runs, predict(model, runs), strict=True):
        run.take(prediction)


def _stack_features(rows: Sequence[tuple[Tensor, ...] | None]) -> list[Tensor] | None:
    """One tensor per level for the whole batch; a row without features gets zeros, which change nothing."""
    example = next((row for row in rows if row is not None), None)
    if example is None:
        return None
    longest = max((row for row in rows if row is not None), key=len)
    zeros = tuple(torch.zeros_like(level) for level in longest)
    full = [zeros if row is None else row + zeros[len(row) :] for row in rows]
    return [torch.cat(levels) for levels in zip(*full, strict=True)]
