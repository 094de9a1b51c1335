"""ControlNets (arXiv 2302.05543): a drawn condition, read anew at every step by a copy of half the UNet."""

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
    """What the ControlNets add to the UNet's skips and middle, as its named arguments; nothing if no row has any.

    Args:
        drawn: for each row (1, 3, H, W) in 0 to 1 of each condition that it has.
        inputs: sample, timestep and encoder_hidden_states of the pass.
        added: what else the UNet is told.
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
        # A blank drawing says something, too: rows without this condition get nothing at all.
        mask = torch.tensor(present, device=images.device, dtype=images.dtype)[:, None, None, None]
        given = [residual * mask for residual in (*down, middle)]
        total = given if not total else [a + b for a, b in zip(total, given, strict=True)]
    if not total:
        return {}
    return {"down_block_additional_residuals": tuple(total[:-1]), "mid_block_additional_residual": total[-1]}
