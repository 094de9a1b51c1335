"""Colours guessed from words: what a small model starts from as long as no colours have come.

A model the size of the embedded one learns to follow colours long before it learns where things are. So a network
beside it guesses a colour map from the text alone, which the colour adapter then shows to the UNet like one that was
sent. There is more than one way that a text can look: several maps are guessed, each with how likely it is, and trained
so that one of them is right (multiple choice learning, Guzman-Rivera et al., NIPS 2012).
"""

from typing import cast

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.embeddings import TextTimeEmbedding
from torch import Tensor, nn


class ColorGuesser(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Text embeddings (B, tokens, width) -> maps (B, choices, 3, side, side) in 0 to 1, and logits (B, choices)."""

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(self, text_width: int = 256, width: int = 512, choices: int = 4, side: int = 16) -> None:
        super().__init__()
        self.shape = (choices, 3, side, side)
        self.pool = TextTimeEmbedding(text_width, width, num_heads=8)
        self.trunk = nn.Sequential(nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.colors = nn.Linear(width, choices * 3 * side * side)
        self.likely = nn.Linear(width, choices)

    def forward(self, text: Tensor) -> tuple[Tensor, Tensor]:
        """Guess."""
        values = self.trunk(self.pool(text))
        return torch.sigmoid(self.colors(values)).reshape(-1, *self.shape), self.likely(values)

    def most_likely(self, text: Tensor) -> Tensor:
        """The likeliest map of each text, (B, 3, side, side)."""
        maps, logits = self(text)
        return cast(Tensor, maps[torch.arange(len(maps)), logits.argmax(1)])
