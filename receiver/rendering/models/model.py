"""A loaded model: parts and settings. Loads torch."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from receiver.rendering.models.embedded_guidance import embeds_guidance
from receiver.rendering.models.transformer import TransformerConfig
from receiver.rendering.restoration.restorer import Restorer
from receiver.rendering.retrieval import RetrievalIndex
from receiver.rendering.settings.performance import Performance
from receiver.rendering.settings.settings import Condition, RenderSettings
from receiver.rendering.settings.tuning import Tuning


@dataclass(frozen=True, eq=False, kw_only=True)
class Model:
    """A loaded model. It is read-only, but diffusers' modules are not thread-safe: use it in one thread at a time.

    Attributes:
        name: the name that it was requested by.
        settings: the render settings.
        device: the device of its modules.
        dtype: their number format; samples are kept in float32.
        unet, vae, text_encoder, tokenizer: its parts, as diffusers and transformers load them.
        preview_vae: the autoencoder for previews; the same object as `vae` if there is no faster one.
        scheduler: the prototype scheduler; each run gets a fresh copy.
        adapters: its T2I-Adapters.
        controlnets: its ControlNets.
        retrieval: pictures to render a prompt from while nothing else has arrived; None if there are none.
        restoration: draws wavelet planes; None if the model has no restoration network.
        text_encoder_2, tokenizer_2: a second text encoder with a projection, and its tokenizer; None if there is none.
        performance: how it runs.
        fill_features: whether pictures without features get zeros, for runtimes that need one fixed set of inputs.
        fingerprint: a digest of its weights.
        revision: its revision on the hub; None if it is not from the hub.
        tuning: a user's changes that it was loaded with; None if there are none.
        recognised: why its settings were inferred; empty for a registered name.
        line_width: thickness of lines for its edge adapter or ControlNet, in pixels; None for the usual one.
        zero_empty_prompt: whether an empty negative prompt becomes zeros, in models with two text encoders.
    """

    name: str
    settings: RenderSettings
    device: torch.device
    dtype: torch.dtype
    unet: Any
    vae: Any
    preview_vae: Any
    text_encoder: Any
    tokenizer: Any
    scheduler: Any
    adapters: Mapping[Condition, Any]
    controlnets: Mapping[Condition, Any] = field(default_factory=dict)
    retrieval: RetrievalIndex | None = None
    restoration: Restorer | None = None
    text_encoder_2: Any = None
    tokenizer_2: Any = None
    performance: Performance = Performance.PLAIN
    fill_features: bool = False
    fingerprint: str = ""
    revision: str | None = None
    tuning: Tuning | None = None
    recognised: str = ""
    line_width: int | None = None
    zero_empty_prompt: bool = True

    @property
    def guides(self) -> bool:
        """Whether each step has a second pass for guidance, which some UNets take as an input instead."""
        return self.settings.guidance > 1 and not embeds_guidance(self.unet)

    @property
    def is_transformer(self) -> bool:
        """Whether the denoiser is a diffusion transformer in place of a UNet."""
        return isinstance(getattr(self.unet, "config", None), TransformerConfig)

    @property
    def pixels_per_latent(self) -> int:
        """Pixels on a side of one latent cell."""
        return pixels_per_latent(self.vae)

    @property
    def size_multiple(self) -> int:
        """Both sides of a rendered picture must be multiples of this, in pixels."""
        unet = self.pixels_per_latent * 2 ** (len(self.unet.config.block_out_channels) - 1)
        return math.lcm(unet, *(int(adapter.total_downscale_factor) for adapter in self.adapters.values()))


def pixels_per_latent(vae: Any) -> int:
    """Return the pixels on a side of one latent cell of an autoencoder."""
    return int(2 ** (len(vae.config.block_out_channels) - 1))
