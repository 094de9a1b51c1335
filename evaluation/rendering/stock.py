"""Diffusers' own pipeline around the parts of a model, and the same picture drawn by our loop."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from codec.layers import ColorMap, EdgeMap, Size, Skeleton
from evaluation.rendering.subjects import Subject
from layercast_common.errors import RenderError

if TYPE_CHECKING:
    from PIL import Image

    from receiver.rendering.models.model import Model


def as_stock(model: "Model") -> "Model":
    """Return a model without what a stock pipeline does not have: weights in prompts, fitting of colours and lines."""
    settings = replace(model.settings, color_fit=False, line_fit=False, weighted_prompts=False)
    return replace(model, settings=settings)


def stock_pipeline(model: "Model", subject: Subject, steps: int) -> Callable[[], "Image.Image"]:
    """Return a function that draws a picture with diffusers' T2I-Adapter pipeline around a model's own parts.

    It gets what our loop gets: the same noise, and lines and colours drawn alike. Its prompts have no weights.

    Args:
        model: run as `Performance.PLAIN`.
        subject: the picture.
        steps: denoising steps.

    Raises:
        RenderError: the model has no adapter for any layer of the picture.
    """
    import torch
    from diffusers import MultiAdapter, StableDiffusionAdapterPipeline
    from PIL import Image

    from receiver.rendering.sampling.conditioning import Conditioner
    from receiver.rendering.sampling.noise import draw_noise
    from receiver.rendering.settings.settings import Condition

    priors = subject.priors
    size = Conditioner(model).size(priors.canvas)
    drawn = {Condition.EDGES: priors.structure, Condition.COLORS: priors.texture}
    used = [c for c, prior in drawn.items() if prior and c in model.adapters and not isinstance(prior, Skeleton)]
    if not used:
        raise RenderError(f"{model.name} has no adapter for any layer of {subject.name}")
    images = []
    for condition in used:
        picture = _draw(drawn[condition], size, model.line_width)
        channels = int(model.adapters[condition].config.in_channels)
        images.append(Image.fromarray(picture).convert("L" if channels == 1 else "RGB"))
    adapters = [model.adapters[condition] for condition in used]
    pipeline = StableDiffusionAdapterPipeline(
        vae=model.vae,
        text_encoder=model.text_encoder,
        tokenizer=model.tokenizer,
        unet=model.unet,
        adapter=MultiAdapter(adapters) if len(adapters) > 1 else adapters[0],
        scheduler=type(model.scheduler).from_config(model.scheduler.config),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    width, height = size
    cells = (1, int(model.unet.config.in_channels), height // model.pixels_per_latent, width // model.pixels_per_latent)
    noise = torch.from_numpy(draw_noise(cells, subject.seed)).to(model.device, model.dtype)
    weights = [model.settings.weights.get(condition, 1.0) for condition in used]

    def draw() -> Image.Image:
        made = pipeline(
            priors.semantic.prompt if priors.semantic else "",
            image=images if len(images) > 1 else images[0],
            height=height,
            width=width,
            num_inference_steps=steps,
            guidance_scale=model.settings.guidance,
            latents=noise.clone(),
            adapter_conditioning_scale=weights if len(weights) > 1 else weights[0],
            output_type="latent",
        ).images
        with torch.inference_mode():
            decoded = model.vae.decode(made / float(model.vae.config.scaling_factor), return_dict=False)[0]
        pixels = ((decoded.float() / 2 + 0.5).clamp(0, 1) * 255).round().byte()[0].permute(1, 2, 0).cpu().numpy()
        return Image.fromarray(np.ascontiguousarray(pixels)).resize(priors.canvas, Image.Resampling.LANCZOS)

    return draw


def _draw(prior: EdgeMap | ColorMap | Skeleton | None, size: Size, line_width: int | None) -> NDArray[np.uint8]:
    assert prior is not None
    return prior.to_image(size, line_width) if isinstance(prior, EdgeMap) else prior.to_image(size)
