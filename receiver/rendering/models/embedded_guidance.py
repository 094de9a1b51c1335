"""UNets that take the guidance scale as an input instead of a second pass (latent consistency, arXiv 2310.04378)."""

from functools import partial
from typing import Any

import torch
from diffusers import LatentConsistencyModelPipeline


def embeds_guidance(unet: Any) -> bool:
    """Return whether a UNet takes an embedding of the guidance scale."""
    return bool(getattr(unet.config, "time_cond_proj_dim", None))


def embed_guidance(unet: Any, scale: float) -> None:
    """Give a UNet the embedded guidance scale at every call, in place; UNets that take none are left alone.

    Args:
        unet: diffusers' UNet.
        scale: of the guidance; 1 is none.
    """
    if not embeds_guidance(unet):
        return
    # The pipeline's own function, which uses nothing of the pipeline.
    embed: Any = LatentConsistencyModelPipeline.get_guidance_scale_embedding
    weight = next(unet.parameters())
    embedding = embed(None, torch.tensor([scale - 1.0]), embedding_dim=unet.config.time_cond_proj_dim)
    # Runtimes that call the module, copy it or convert it keep this input.
    unet.forward = partial(type(unet).forward, unet, timestep_cond=embedding.to(weight.device, weight.dtype))
