"""Starting points of runs: clean latents of a picture that is there already, and a strength."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from codec.layers import Priors, Size
from codec.wavelet.plane import Plane
from receiver.rendering.models.autoencoders import encode_image
from receiver.rendering.models.model import Model
from receiver.rendering.settings.start_plan import plane_cells


@dataclass(frozen=True, eq=False, slots=True)
class StartingPoint:
    """Where a run begins instead of in noise.

    Attributes:
        latents: (1, C, h, w) float32, clean, scaled as the UNet's.
        strength: share of the steps that are done, above 0 and at most 1.
    """

    latents: Tensor
    strength: float

    def first_step(self, steps: int) -> int:
        """Return the first step (from 0) of a run of `steps` steps, as in diffusers' img2img; one is always done."""
        return steps - max(1, min(steps, int(steps * self.strength + 1e-6)))


@dataclass(frozen=True, eq=False, slots=True)
class EarlierPicture:
    """A finished picture that later layers may begin from.

    Attributes:
        latents: its clean latents, (1, C, h, w) float32.
        priors: the layers that it was rendered from.
        seed: of its noise.
    """

    latents: Tensor
    priors: Priors
    seed: int


@torch.inference_mode()
def plane_latents(model: Model, plane: Plane, size: Size) -> Tensor:
    """Return the latents of a plane's picture: (1, C, h, w) float32, scaled as the UNet's.

    Args:
        model: its autoencoder encodes. Models with a restoration network do not denoise from planes.
        plane: the known coefficients.
        size: (width, height) to render at, in pixels.
    """
    picture = plane_picture(plane, size)
    return encode_image(model, torch.from_numpy(picture).permute(2, 0, 1)[None] / 127.5 - 1)


def plane_picture(plane: Plane, size: Size) -> NDArray[np.uint8]:
    """Return the picture that a plane says, at `size` (width, height): (H, W, 3) uint8 RGB."""
    picture = plane.to_image()
    if (picture.shape[1], picture.shape[0]) == size:
        return picture
    interpolation = cv2.INTER_AREA if picture.shape[1] > size[0] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, size, interpolation=interpolation), np.uint8)


def plane_band(plane: Plane, latents: Tensor, pixels_per_latent: int) -> Tensor:
    """Return the low band of a plane's latents that the plane determines well: (1, C, rows, columns)."""
    height, width = latents.shape[-2:]
    scale = max(height, width) * pixels_per_latent / 512
    cell = max(1.0, plane_cells(plane) * scale / pixels_per_latent)
    rows, columns = (max(1, min(side, round(side / cell))) for side in (height, width))
    return F.adaptive_avg_pool2d(latents, (rows, columns))
