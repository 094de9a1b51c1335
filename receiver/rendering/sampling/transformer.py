"""Conditions of a diffusion transformer: one picture with all that is drawn, as latents, for its union ControlNet."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from receiver.rendering.models.model import Model
from receiver.rendering.settings.settings import Condition


@torch.inference_mode()
def control_latents(model: Model, drawn: Sequence[Tensor]) -> Tensor:
    """Encode drawings for the ControlNet: (1, C, 1, h, w), C as the ControlNet takes.

    Args:
        model: a diffusion transformer with a ControlNet.
        drawn: pictures with light lines on black, (1, 3, H, W) in 0 to 1; the lightest pixel of each place counts.
    """
    picture = torch.stack(list(drawn)).amax(dim=0) * 2 - 1
    latents = model.vae.encode(picture.to(model.dtype)).latent_dist.mode()
    latents = (latents - model.vae.config.shift_factor) * model.vae.config.scaling_factor
    controlnet = model.controlnets[Condition.EDGES]
    more = int(controlnet.config.control_in_dim) - latents.shape[1]
    # Further channels are for inpainting.
    blank = latents.new_zeros((1, more, *latents.shape[2:]))
    return torch.cat([latents, blank], dim=1).unsqueeze(2)


def control_inputs(weights: Mapping[Condition, float], drawn: Sequence[Mapping[Condition, Tensor]]) -> dict[str, Any]:
    """Return the control of a pass as keyword arguments of the transformer; empty if no row has one.

    Args:
        weights: the factor of each condition.
        drawn: for each row of the batch, the latents of its drawing, if it has one.
    """
    present = [Condition.EDGES in row for row in drawn]
    if not any(present):
        return {}
    example = next(row[Condition.EDGES] for row in drawn if Condition.EDGES in row)
    latents = torch.cat([row.get(Condition.EDGES, torch.zeros_like(example)) for row in drawn])
    mask = torch.tensor(present, device=latents.device)
    return {"control": latents, "control_rows": mask, "control_weight": weights.get(Condition.EDGES, 1.0)}
