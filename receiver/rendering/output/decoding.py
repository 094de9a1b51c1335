"""Latents -> pixels, on the device. Decoding is begun in one thread; another may wait for the pixels."""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from layercast_common.errors import NotFiniteError
from receiver.rendering.models.autoencoders import decode_latents, lock_of, number_format, upcast
from receiver.rendering.models.model import Model

_log = logging.getLogger(__name__)


def halve(latents: Tensor) -> Tensor:
    """Halve the size of latents: a quarter of the work to decode, enough for the smooth estimates of early steps."""
    return F.interpolate(latents, scale_factor=0.5, mode="area")


def decode_pixels(model: Model, latents: Tensor, *, final: bool, tiles: bool = False) -> list[NDArray[np.uint8]]:
    """Decode latents of one or more pictures in one pass, and wait for the pixels.

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
    pending = begin_decoding(model, latents, final=final, tiles=tiles)
    return [pending.take(number) for number in range(latents.shape[0])]


@torch.inference_mode()
def begin_decoding(model: Model, latents: Tensor, *, final: bool, tiles: bool = False) -> "PendingPixels":
    """Begin what `decode_pixels` does. On a CUDA device this returns before the device has done it."""
    vae = model.vae if final else model.preview_vae
    with lock_of(vae):
        numbers = number_format(model, vae)
        decoded = decode_latents(model, vae, latents, tiles=tiles)
    pixels = _to_pixels(decoded)
    finite = torch.isfinite(decoded).flatten(1).all(dim=1)
    return PendingPixels(
        model=model, vae=vae, latents=latents, numbers=numbers, pixels=_begin_copy(pixels), finite=_begin_copy(finite)
    )


def _to_pixels(decoded: Tensor) -> Tensor:
    """Convert (N, 3, H, W) from about -1 to 1 -> (N, H, W, 3) uint8 RGB."""
    return ((decoded / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()


@dataclass(frozen=True, eq=False, slots=True)
class _HostCopy:
    """A tensor on its way to the CPU's memory.

    Attributes:
        tensor: its destination.
        arrived: the device's event after the copy; None if the copy is there.
    """

    tensor: Tensor
    arrived: Any = None

    def wait(self) -> Tensor:
        """Return the tensor once it has arrived."""
        if self.arrived is not None:
            self.arrived.synchronize()
        return self.tensor


def _begin_copy(tensor: Tensor) -> _HostCopy:
    if tensor.device.type != "cuda":
        return _HostCopy(tensor.cpu())
    with torch.cuda.device(tensor.device):
        # Only a copy to pinned memory lets the caller go on.
        target = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        target.copy_(tensor, non_blocking=True)
        # "Blocking": a thread that waits sleeps instead of spinning.
        arrived = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        arrived.record()
    return _HostCopy(target, arrived)


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class PendingPixels:
    """Pictures that the device decodes; any thread may take them.

    Attributes:
        model: the model of the latents.
        vae: the autoencoder that decodes them.
        latents: (N, C, h, w) float32, kept until the pictures are known to be finite.
        numbers: the number format that they are decoded in.
        pixels: (N, H, W, 3) uint8 RGB.
        finite: (N,) whether all numbers of each picture are finite.
    """

    model: Model
    vae: Any
    latents: Tensor
    numbers: torch.dtype
    pixels: _HostCopy
    finite: _HostCopy

    def wait(self) -> None:
        """Wait until the device has decoded and copied the pictures."""
        self.finite.wait()

    def take(self, number: int, *, tiles: bool = False) -> NDArray[np.uint8]:
        """Wait for a picture, (H, W, 3) uint8 RGB; one that is not finite is decoded again in float32.

        Args:
            number: of the picture, from 0.
            tiles: whether to decode in tiles if it is decoded again.

        Raises:
            NotFiniteError: it is not finite in float32 either.
        """
        if bool(self.finite.wait()[number]):
            # A copy: the destination of the device's copies is pinned, which is scarce.
            return np.array(self.pixels.wait()[number].numpy())
        return self._decode_again(self.latents[number : number + 1], tiles=tiles)

    @torch.inference_mode()
    def _decode_again(self, latents: Tensor, *, tiles: bool) -> NDArray[np.uint8]:
        model, dtype = self.model, str(self.model.dtype).removeprefix("torch.")
        if not bool(torch.isfinite(latents).all()):
            raise NotFiniteError(
                f"the denoiser of {model.name} computes infinite numbers in {dtype};"
                " load the model in bfloat16 or float32, or use --device cpu"
            )
        if self.numbers is not torch.float32:
            with lock_of(self.vae):
                if upcast(self.vae):
                    _log.warning(
                        "the autoencoder of %s overflows in %s; it runs in float32 from now on", model.name, dtype
                    )
                decoded = decode_latents(model, self.vae, latents, tiles=tiles)
            if bool(torch.isfinite(decoded).all()):
                return np.asarray(_to_pixels(decoded)[0].cpu().numpy())
        raise NotFiniteError(
            f"the autoencoder of {model.name} computes infinite numbers, in float32 as well; use another"
        )
