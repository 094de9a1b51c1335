"""The denoising loop, one step at a time: several pictures in one batch, each at its own step.

A `DenoisingRun` holds the whole state of one picture between two steps. So between any two steps it can wait, get new
conditions, rewind, or be dropped.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from codec.layers import Priors, Size
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
from receiver.rendering.sampling.conditioning import Conditioner, Conditioning
from receiver.rendering.sampling.controlnet import control_residuals
from receiver.rendering.sampling.guidance import guide, pull_low_band
from receiver.rendering.sampling.noise import draw_noise
from receiver.rendering.sampling.starts import StartingPoint
from receiver.rendering.sampling.transformer import control_inputs
from receiver.rendering.settings.settings import Condition


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


@dataclass(frozen=True, eq=False, slots=True)
class UnetInputs:
    """The inputs of one UNet pass; for the rows see `unet_inputs`.

    Attributes:
        samples: (rows, C, h, w) in the model's number format.
        times: (rows,) timesteps.
        text: (rows, tokens, width) embeddings.
        features: one (rows, C, h, w) tensor per level, or None.
        added: further conditions by the UNet's own names, one row each; empty for Stable Diffusion 1.
        controls: the ControlNets' images for each row.
    """

    samples: Tensor
    times: Tensor
    text: Tensor
    features: list[Tensor] | None
    added: dict[str, Tensor]
    controls: tuple[Mapping[Condition, Tensor], ...]

    def forward(self, model: Model) -> Tensor:
        """Run the pass; return (rows, C, h, w)."""
        named: dict[str, Any] = {}
        if self.features is not None:
            # The UNet removes the features from the list that it gets.
            named["down_intrablock_additional_residuals"] = list(self.features)
        if self.added:
            named["added_cond_kwargs"] = self.added
        if model.is_transformer:
            named |= control_inputs(model.settings.weights, self.controls)
        elif model.controlnets:
            inputs = {"sample": self.samples, "timestep": self.times, "encoder_hidden_states": self.text}
            weights = model.settings.weights
            named |= control_residuals(model.controlnets, weights, self.controls, inputs, self.added)
        output = model.unet(self.samples, self.times, encoder_hidden_states=self.text, return_dict=False, **named)
        return torch.as_tensor(output[0])


def unet_inputs(model: Model, runs: Sequence[DenoisingRun]) -> UnetInputs:
    """Collect the UNet's inputs for the next step of each run: one row each, or with guidance two, negative first."""
    texts, owners = [], []
    for run in runs:
        negative, text = run.conditions.negative, run.conditions.text
        for encoded in (text,) if negative is None else (negative, text):
            texts.append(encoded)
            owners.append(run)
    pooled = [encoded.pooled for encoded in texts if encoded.pooled is not None]
    ids = [run.conditions.time_ids for run in owners if run.conditions.time_ids is not None]
    return UnetInputs(
        samples=torch.cat([run.sample for run in owners]).to(model.dtype).contiguous(memory_format=torch.channels_last),
        times=torch.stack([run.timestep for run in owners]).to(model.device),
        text=torch.cat([encoded.tokens for encoded in texts]),
        features=_stack_features([run.features for run in owners]),
        added={"text_embeds": torch.cat(pooled), "time_ids": torch.cat(ids)} if pooled else {},
        controls=tuple(run.conditions.controls for run in owners),
    )


@torch.inference_mode()
def example_inputs(model: Model) -> UnetInputs:
    """Return inputs of the shapes of a picture at the model's native size, with features for all levels."""
    filled = replace(model, fill_features=True)
    conditioner, canvas = Conditioner(filled), (model.settings.native,) * 2
    run = DenoisingRun(filled, conditioner.prepare(Priors(canvas)), size=conditioner.size(canvas), seed=0, steps=1)
    return unet_inputs(filled, [run])


@torch.inference_mode()
def predict(model: Model, runs: Sequence[DenoisingRun]) -> list[Tensor]:
    """Predict the next step of each run in one UNet pass; the runs do not change.

    Args:
        model: the model of the runs.
        runs: of one shape, none of them finished.

    Returns:
        For each run the prediction, (1, C, h, w) float32, with guidance applied.
    """
    settings = model.settings
    rows = iter(torch.split(unet_inputs(model, runs).forward(model).float(), 1))
    predictions = []
    for run in runs:
        first = next(rows)
        guided = run.conditions.negative is not None
        predictions.append(guide(first, next(rows), settings.guidance, settings.guidance_rescale) if guided else first)
    return predictions


@torch.inference_mode()
def advance(model: Model, runs: Sequence[DenoisingRun]) -> None:
    """Do one step of each run in one UNet pass; the runs have one shape, and none is finished."""
    for run, prediction in zip(runs, predict(model, runs), strict=True):
        run.apply(prediction)


def _stack_features(rows: Sequence[tuple[Tensor, ...] | None]) -> list[Tensor] | None:
    """Stack features to one tensor per level for the whole batch; rows without features get zeros: no effect."""
    present = [row for row in rows if row is not None]
    if not present:
        return None
    zeros = tuple(torch.zeros_like(level) for level in max(present, key=len))
    full = [zeros if row is None else row + zeros[len(row) :] for row in rows]
    return [torch.cat(levels) for levels in zip(*full, strict=True)]
