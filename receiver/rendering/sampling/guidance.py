"""Colours without an adapter: what a picture will be is pulled, at each step, to the colours that were sent.

Averages over cells of a latent picture are nearly the latents of the averaged picture, so the colour map's own latents
tell what they should be: the low band alone is moved, as in ILVR (arXiv 2108.02938), and the rest is the model's.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from codec.layers import ColorMap, Size
from receiver.rendering.models.model import Model


@torch.inference_mode()
def color_latents(model: Model, colors: ColorMap, size: Size) -> Tensor:
    """The low band that a colour map asks for: (1, C, rows, columns) float32, as the UNet knows latents.

    Args:
        size: (width, height) of the picture to be rendered, in pixels.
    """
    image = torch.from_numpy(colors.to_image(size)).to(model.device, model.dtype).permute(2, 0, 1)[None] / 127.5 - 1
    encoded = model.vae.encode(image)
    latents = encoded.latent_dist.mode() if hasattr(encoded, "latent_dist") else encoded.latents
    shift, scale = float(model.vae.config.shift_factor or 0.0), float(model.vae.config.scaling_factor)
    return F.adaptive_avg_pool2d((latents.float() - shift) * scale, colors.colors.shape[:2])


def pull_low_band(clean: Tensor, wanted: Tensor, strength: float) -> Tensor:
    """Move the low band of a clean estimate, (1, C, h, w), towards `wanted`, (1, C, rows, columns).

    Args:
        strength: share of the distance, 0 to 1.
    """
    rows, columns = wanted.shape[-2:]
    missing = wanted - F.adaptive_avg_pool2d(clean, (rows, columns))
    spread = F.interpolate(missing, (clean.shape[-2], clean.shape[-1]), mode="bilinear", align_corners=False)
    return clean + strength * spread
