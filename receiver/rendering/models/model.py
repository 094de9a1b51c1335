"""A loaded model: its parts and its settings. Loads torch."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from receiver.rendering.retrieval import RetrievalIndex
from receiver.rendering.settings.performance import Performance
from receiver.rendering.settings.settings import Condition, RenderSettings


@dataclass(frozen=True, eq=False, kw_only=True)
class Model:
    """A loaded model. It is only read after loading, but diffusers' modules are not thread-safe: one thread at a time.

    Attributes:
        name: what it was asked for as.
        settings: how it is used.
        device: where its modules are.
        dtype: their number format; samples themselves are kept in float32.
        scheduler: the scheduler that each run gets a fresh copy of.
        adapters: the conditions that it understands beside text.
        controlnets: the ControlNets that it has, by what they are shown.
        memory: pictures that it draws words from until more comes, if it remembers any.
        text_encoder_2: a second text encoder, with a projection, if it has one; and its tokenizer.
        performance: how it is run.
        fill_features: whether pictures without features get zeros, for runtimes that know one form of inputs only.
        fingerprint: tells its weights from others.
        revision: the hub's revision of it, if it is the hub's.
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
    memory: RetrievalIndex | None = None
    text_encoder_2: Any = None
    tokenizer_2: Any = None
    performance: Performance = Performance.PLAIN
    fill_features: bool = False
    fingerprint: str = ""
    revision: str | None = None

    @property
    def pixels_per_latent(self) -> int:
        """Pixels on a side of one latent cell."""
        return pixels_per_latent(self.vae)

    @property
    def size_multiple(self) -> int:
        """Both sides of a picture must be multiples of this, in pixels, for every part to fit."""
        unet = self.pixels_per_latent * 2 ** (len(self.unet.config.block_out_channels) - 1)
        return math.lcm(unet, *(int(adapter.total_downscale_factor) for adapter in self.adapters.values()))


def pixels_per_latent(vae: Any) -> int:
    """Pixels on a side of one latent cell of an autoencoder."""
    return int(2 ** (len(vae.config.block_out_channels) - 1))
