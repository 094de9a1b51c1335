"""Latents -> pixels, on the device: the part of a frame that the engine's thread does."""

import logging
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from layercast_common.errors import NotFiniteError
from receiver.rendering.models.autoencoders import decode_latents, upcast
from receiver.rendering.models.model import Model

_log = logging.getLogger(__name__)


def halve(latents: Tensor) -> Tensor:
    """Halve the size of latents: a quarter of the work to decode, enough for the smooth estimates of early steps."""
    return F.interpolate(latents, scale_factor=0.5, mode="area")


@torch.inference_mode()
def decode_pixels(model: Model, latents: Tensor, *, final: bool, tiles: bool = False) -> list[NDArray[np.uint8]]:
    """Decode latents of one or more pictures in one pass.

    Args:
        model: the model of the latents.
        latents: (N, C, h, w) float32, scaled as the UNet's.
        final: whether to use the model's own autoencoder instead of the faster one for previews.
        tiles: whether to decode in tiles, because the memory is too small for the whole.

    Returns:
        For each picture (H, W, 3) uint8 RGB, at render size.

    Raises:
        NotFiniteError: a picture is not finite, not even if it is decoded in float32. Then none is returned.
    """
    vae = model.vae if final else model.preview_vae
    decoded = decode_latents(model, vae, latents, tiles=tiles)
    if not _finite(decoded):
        decoded = _decode_again(model, vae, latents, tiles=tiles)
    pixels = ((decoded / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    return [np.ascontiguousarray(picture) for picture in pixels]


def _finite(numbers: Tensor) -> bool:
    # One number crosses to the CPU; the pixels follow anyway.
    return bool(torch.isfinite(numbers).all())


def _decode_again(model: Model, vae: Any, latents: Tensor, *, tiles: bool) -> Tensor:
    dtype = str(model.dtype).removeprefix("torch.")
    if not _finite(latents):
        raise NotFiniteError(
            f"the denoiser of {model.name} computes infinite numbers in {dtype};"
            " load the model in bfloat16 or float32, or use --device cpu"
        )
    if upcast(vae):
        _log.warning("the autoencoder of %s overflows in %s; it runs in float32 from now on", model.name, dtype)
        decoded = decode_latents(model, vae, latents, tiles=tiles)
        if _finite(decoded):
            return decoded
    raise NotFiniteError(f"the autoencoder of {model.name} computes infinite numbers, in float32 as well; use another")
