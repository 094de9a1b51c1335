"""Encode and decode with a model's autoencoders, in the number format that each can bear.

Two threads of an engine may use one autoencoder, and either may switch it to float32, so each use takes its lock.
"""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

if TYPE_CHECKING:
    from receiver.rendering.models.model import Model

#: Overlap of two tiles as a share of a tile, over which one fades into the other.
_OVERLAP = 0.25

_locks: WeakKeyDictionary[Any, threading.RLock] = WeakKeyDictionary()
_finding = threading.Lock()


def lock_of(vae: Any) -> threading.RLock:
    """Return the lock of an autoencoder, held while it is used or changed."""
    with _finding:
        return _locks.setdefault(vae, threading.RLock())


def number_format(model: "Model", vae: Any) -> torch.dtype:
    """Return the number format that an autoencoder computes in, after switching it to float32 if it needs that.

    Stable Diffusion XL's own autoencoder overflows in float16; its config says so with `force_upcast`. As in diffusers'
    pipelines, the flag counts for XL models only: Stable Diffusion 1's configs lack it, and its default is true.
    """
    if model.text_encoder_2 is not None and model.dtype is torch.float16 and getattr(vae.config, "force_upcast", False):
        upcast(vae)
    return getattr(vae, "dtype", model.dtype)


def upcast(vae: Any) -> bool:
    """Switch an autoencoder to float32 for good; return False if it already computes in float32."""
    if getattr(vae, "dtype", torch.float32) is torch.float32:
        return False
    from receiver.rendering.models.parts import quiet_libraries

    with quiet_libraries():
        vae.to(dtype=torch.float32)
    return True


def encode_image(model: "Model", image: Tensor) -> Tensor:
    """Encode a picture.

    Args:
        model: the model whose autoencoder is used.
        image: (1, 3, H, W) from -1 to 1.

    Returns:
        The clean latents, (1, C, h, w) float32, scaled as the UNet's.
    """
    vae = model.vae
    with lock_of(vae):
        encoded = vae.encode(image.to(model.device, number_format(model, vae)))
    latents = encoded.latent_dist.mode() if hasattr(encoded, "latent_dist") else encoded.latents
    shift, scale = float(vae.config.shift_factor or 0.0), float(vae.config.scaling_factor)
    return torch.as_tensor((latents.float() - shift) * scale)


def decode_latents(model: "Model", vae: Any, latents: Tensor, *, tiles: bool = False) -> Tensor:
    """Decode latents.

    Args:
        model: the model of the latents.
        vae: its autoencoder, or the one for previews.
        latents: (N, C, h, w) float32, scaled as the UNet's.
        tiles: whether to decode in tiles of half the size: a quarter of the memory, with faint seams.

    Returns:
        (N, 3, H, W) float32 from about -1 to 1.
    """
    plain = latents / float(vae.config.scaling_factor) + float(vae.config.shift_factor or 0.0)

    def decode(part: Tensor) -> Tensor:
        return torch.as_tensor(vae.decode(part, return_dict=False)[0]).float()

    with lock_of(vae):
        plain = plain.to(number_format(model, vae)).contiguous(memory_format=torch.channels_last)
        return _decode_tiles(plain, decode, model.pixels_per_latent) if tiles else decode(plain)


def _decode_tiles(latents: Tensor, decode: Callable[[Tensor], Tensor], scale: int) -> Tensor:
    """Decode overlapping tiles one by one, and fade each into the next."""
    batch, _, height, width = latents.shape
    tall, wide = (max(1, -(-side // 2)) for side in (height, width))
    total = torch.zeros(batch, 3, height * scale, width * scale, device=latents.device)
    weight = torch.zeros(1, 1, height * scale, width * scale, device=latents.device)
    for top in _starts(height, tall):
        for left in _starts(width, wide):
            part = decode(latents[..., top : top + tall, left : left + wide])
            faded = _fade(part.shape[-2], part.device)[:, None] * _fade(part.shape[-1], part.device)
            area = (..., slice(top * scale, (top + tall) * scale), slice(left * scale, (left + wide) * scale))
            total[area] += part * faded
            weight[area] += faded
    return total / weight


def _starts(side: int, tile: int) -> list[int]:
    """Return where tiles begin so that they overlap and cover a side."""
    step = max(1, int(tile * (1 - _OVERLAP)))
    return sorted({min(start, side - tile) for start in range(0, side - tile + step, step)})


def _fade(side: int, device: torch.device) -> Tensor:
    """Return weights that rise from a tile's ends to 1 within the overlap."""
    near = torch.arange(side, device=device, dtype=torch.float32) + 0.5
    return (torch.minimum(near, side - near) / max(1.0, _OVERLAP * side)).clamp(max=1.0)
