"""The passes of a UNet over a batch of runs: its inputs, its predictions, and the step of each run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from codec.layers import Priors
from receiver.rendering.models.model import Model
from receiver.rendering.sampling.conditioning import Conditioner
from receiver.rendering.sampling.controlnet import control_residuals
from receiver.rendering.sampling.guidance import guide
from receiver.rendering.sampling.sampler import DenoisingRun
from receiver.rendering.sampling.transformer import control_inputs
from receiver.rendering.settings.settings import Condition


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
