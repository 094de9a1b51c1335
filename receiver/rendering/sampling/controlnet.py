"""ControlNets (arXiv 2302.05543): a copy of half the UNet reads a drawn condition at every step."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from receiver.rendering.settings.settings import Condition


def control_residuals(
    controlnets: Mapping[Condition, Any],
    weights: Mapping[Condition, float],
    drawn: Sequence[Mapping[Condition, Tensor]],
    inputs: Mapping[str, Tensor],
    added: Mapping[str, Tensor],
) -> dict[str, Any]:
    """Run the ControlNets; return their residuals for the UNet as its keyword arguments, empty if no row has an image.

    Args:
        controlnets: the model's ControlNets.
        weights: the factor of each one's residuals.
        drawn: for each row of the batch, the image of each condition that it has, (1, 3, H, W) in 0 to 1.
        inputs: sample, timestep and encoder_hidden_states of the pass.
        added: further conditions of the UNet, by its own names.
    """
    total: list[Tensor] = []
    for condition, controlnet in controlnets.items():
        present = [condition in row for row in drawn]
        if not any(present):
            continue
        example = next(row[condition] for row in drawn if condition in row)
        images = torch.cat([row.get(condition, torch.zeros_like(example)) for row in drawn])
        down, middle = controlnet(
            **inputs,
            controlnet_cond=images,
            conditioning_scale=weights.get(condition, 1.0),
            added_cond_kwargs=dict(added) or None,
            return_dict=False,
        )
        # A blank image is a condition, too: rows without this condition get zero residuals.
        mask = torch.tensor(present, device=images.device, dtype=images.dtype)[:, None, None, None]
        residuals = [residual * mask for residual in (*down, middle)]
        total = residuals if not total else [a + b for a, b in zip(total, residuals, strict=True)]
    if not total:
        return {}
    return {"down_block_additional_residuals": tuple(total[:-1]), "mid_block_additional_residual": total[-1]}
