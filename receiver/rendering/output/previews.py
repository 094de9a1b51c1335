"""Previews and final frames: when to show one, and how to decode it from latents."""

from collections.abc import Collection

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from codec.layers import ColorMap, EdgeMap, Size
from receiver.rendering.models.model import Model
from receiver.rendering.output.color_fit import fit_colors
from receiver.rendering.output.line_fit import fit_lines


def preview_due(done: int, steps: int, previews: Collection[int], *, layers_changed: bool) -> bool:
    """Return whether to show the clean estimate after a step.

    Args:
        done: steps done, this one included.
        steps: steps of the run; after the last one comes a final frame instead.
        previews: steps after which the model shows a preview.
        layers_changed: whether layers changed since the last frame.
    """
    return done < steps and (done in previews or (layers_changed and done > min(previews, default=steps)))


def halve(latents: Tensor) -> Tensor:
    """Halve the size of latents: a quarter of the work to decode, enough for the smooth estimates of early steps."""
    return F.interpolate(latents, scale_factor=0.5, mode="area")


@torch.inference_mode()
def decode_latents(
    model: Model,
    latents: Tensor,
    canvas: Size,
    *,
    final: bool,
    lines: EdgeMap | None = None,
    colors: ColorMap | None = None,
) -> Image.Image:
    """Decode latents to an RGB picture at canvas size.

    Args:
        model: the model of the latents.
        latents: (1, C, h, w) float32, scaled as the UNet's.
        canvas: (width, height) in pixels.
        final: whether to use the model's own autoencoder instead of the faster one for previews.
        lines: the edge map to fit the picture to; None for none.
        colors: the colour map to fit the picture to; None for none.
    """
    vae = model.vae if final else model.preview_vae
    plain = latents / float(vae.config.scaling_factor) + float(vae.config.shift_factor or 0.0)
    plain = plain.to(model.dtype).contiguous(memory_format=torch.channels_last)
    decoded = vae.decode(plain, return_dict=False)[0][0].float()
    pixels = ((decoded / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    if picture.size != canvas:
        picture = picture.resize(canvas, Image.Resampling.LANCZOS)
    fitted = np.asarray(picture, np.uint8)
    if lines is not None:
        fitted = fit_lines(fitted, lines, colors)
    # Colours come last, so that the averages are exact.
    if colors is not None:
        fitted = fit_colors(fitted, colors)
    return Image.fromarray(fitted)
