"""The choice between denoising and restoring a picture. Pure; loads no torch."""

import enum
from typing import TYPE_CHECKING

from codec.layers import Priors

if TYPE_CHECKING:
    from receiver.rendering.models.model import Model


class RenderMethod(enum.Enum):
    """How a picture is rendered.

    DENOISE  a diffusion model draws the picture, with the layers as conditions
    RESTORE  the picture is the inverse transform of its plane, with the open coefficients estimated by a network
    """

    DENOISE = "denoise"
    RESTORE = "restore"


def render_method(priors: Priors, model: "Model") -> RenderMethod:
    """Choose how a model renders the layers that are known."""
    restores = model.restoration is not None or model.settings.restores_planes
    return RenderMethod.RESTORE if restores and priors.plane is not None else RenderMethod.DENOISE
