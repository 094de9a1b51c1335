"""The choice between denoising and restoring a picture. Pure; loads no torch."""

import enum
from typing import TYPE_CHECKING

from codec.layers import Priors

if TYPE_CHECKING:
    from receiver.rendering.models.model import Model


class RenderMethod(enum.Enum):
    """How a picture is rendered.

    DENOISE  a diffusion model draws the picture, with the layers as conditions
    RESTORE  the picture is the inverse transform of its plane, with the open coefficients estimated by a network; for a
             prompt alone, the plane of a retrieved picture
    """

    DENOISE = "denoise"
    RESTORE = "restore"


def render_method(priors: Priors, model: "Model", seed: int) -> RenderMethod:
    """Choose how a model renders the layers that are known; the seed chooses among retrieved pictures."""
    if model.restoration is None and not model.settings.restores_planes:
        return RenderMethod.DENOISE
    index = model.retrieval
    restores = priors.plane is not None or (index is not None and index.has_planes(priors, seed))
    return RenderMethod.RESTORE if restores else RenderMethod.DENOISE
