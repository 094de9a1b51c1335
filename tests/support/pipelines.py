"""Stock pipelines of diffusers around the parts of our loaded models, and their final latents for our noise."""

from typing import Any

import torch
from diffusers import (
    StableDiffusionAdapterPipeline,
    StableDiffusionControlNetPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLAdapterPipeline,
    StableDiffusionXLPipeline,
)
from PIL import Image
from torch import Tensor

from codec.layers import Priors
from receiver.rendering.models.model import Model
from receiver.rendering.sampling.conditioning import Conditioner
from receiver.rendering.sampling.noise import draw_noise
from receiver.rendering.sampling.passes import advance
from receiver.rendering.sampling.sampler import DenoisingRun

SIZE = (64, 64)
SEED = 1


def our_latents(model: Model, priors: Priors, steps: int) -> Tensor:
    """Return the final latents of our loop."""
    run = DenoisingRun(model, Conditioner(model).prepare(priors), size=SIZE, seed=SEED, steps=steps)
    while not run.finished:
        advance(model, [run])
    return run.sample


def starting_noise(channels: int = 4, stream: int = 0) -> Tensor:
    """Return the starting noise of our loop, or the noise that it adds at a step."""
    return torch.from_numpy(draw_noise((1, channels, 8, 8), SEED, stream))


def draw_lines(priors: Priors, mode: str = "RGB") -> Image.Image:
    """Return the lines as an adapter or ControlNet of an unknown kind gets them."""
    assert priors.structure
    return Image.fromarray(priors.structure.to_image(SIZE)).convert(mode)


def draw_cells(priors: Priors) -> Image.Image:
    """Return the colours as an adapter gets them."""
    assert priors.texture
    return Image.fromarray(priors.texture.to_image(SIZE))


def stock_pipeline(model: Model, scheduler: Any, **extra: Any) -> Any:
    """Return diffusers' pipeline around a model's parts.

    Args:
        model: our loaded model.
        scheduler: the pipeline's own.
        extra: `adapter` or `controlnet`, or `kind` for the class of the pipeline.
    """
    parts = {name: getattr(model, name) for name in ("vae", "text_encoder", "tokenizer", "unet")}
    kind: Any = extra.pop("kind", None)
    if model.text_encoder_2 is not None:
        parts |= {"text_encoder_2": model.text_encoder_2, "tokenizer_2": model.tokenizer_2}
        kind = kind or (StableDiffusionXLAdapterPipeline if "adapter" in extra else StableDiffusionXLPipeline)
        if "adapter" not in extra:
            extra["add_watermarker"] = False
    else:
        extra |= {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
        adapted = StableDiffusionAdapterPipeline if "adapter" in extra else StableDiffusionPipeline
        kind = kind or (StableDiffusionControlNetPipeline if "controlnet" in extra else adapted)
    pipeline = kind(**parts, scheduler=scheduler, **extra)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def stock_latents(pipeline: Any, prompt: str | None, steps: int, guidance: float, **named: Any) -> Tensor:
    """Run a pipeline from our noise and return its final latents; without a prompt, `named` has its embeddings."""
    sized = {"height": SIZE[1], "width": SIZE[0]} if "image" not in named or "XL" in type(pipeline).__name__ else {}
    settings = {
        "num_inference_steps": steps,
        "guidance_scale": guidance,
        "latents": starting_noise().to(pipeline.unet.dtype),
        **sized,
    }
    return torch.as_tensor(pipeline(prompt, output_type="latent", **settings, **named).images)
