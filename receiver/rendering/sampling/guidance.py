"""Guidance by a prompt, and colour guidance without an adapter.

For the latter, each step's clean estimate is pulled to the received colours.

The averages over cells of a picture's latents are close to the latents of the averaged picture. So the latents of the
colour map are the target for the low band of the estimate, as in ILVR (arXiv 2108.02938). The rest is left unchanged.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from codec.layers import ColorMap, Size
from receiver.rendering.models.autoencoders import encode_image
from receiver.rendering.models.model import Model


@torch.inference_mode()
def color_latents(model: Model, colors: ColorMap, size: Size) -> Tensor:
    """Return the low band of a colour map: (1, C, rows, columns) float32, scaled as the UNet's latents.

    Args:
        model: the model whose autoencoder encodes the map.
        colors: the colour map.
        size: (width, height) of the picture to be rendered, in pixels.
    """
    image = torch.from_numpy(colors.to_image(size)).to(model.device).permute(2, 0, 1)[None] / 127.5 - 1
    return F.adaptive_avg_pool2d(encode_image(model, image), colors.colors.shape[:2])


def pull_low_band(clean: Tensor, wanted: Tensor, strength: float) -> Tensor:
    """Move the low band of a clean estimate towards a target.

    Args:
        clean: (1, C, h, w).
        wanted: the target, (1, C, rows, columns).
        strength: share of the distance, 0 to 1.
    """
    rows, columns = wanted.shape[-2:]
    missing = wanted - F.adaptive_avg_pool2d(clean, (rows, columns))
    spread = F.interpolate(missing, (clean.shape[-2], clean.shape[-1]), mode="bilinear", align_corners=False)
    return clean + strength * spread


def guide(negative: Tensor, positive: Tensor, scale: float, rescale: float) -> Tensor:
    """Return the guided prediction (classifier-free guidance, arXiv 2207.12598).

    Args:
        negative: the prediction for the negative prompt, (1, C, h, w) float32.
        positive: the prediction for the prompt, of the same shape.
        scale: of the guidance.
        rescale: how far the result gets the spread of `positive`, 0 to 1 (arXiv 2305.08891, section 3.4).
    """
    guided = negative + scale * (positive - negative)
    if not rescale:
        return guided
    axes = tuple(range(1, guided.ndim))
    spread = positive.std(dim=axes, keepdim=True) / guided.std(dim=axes, keepdim=True)
    return rescale * (guided * spread) + (1 - rescale) * guided
