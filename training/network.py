"""The parts of `mini` that are trained together: text encoder, UNet and two T2I-Adapters, all stock classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from diffusers import T2IAdapter, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from training.captions import MAX_TOKENS
from training.vae import LATENT_CHANNELS

CHANNELS = (96, 160, 224)
TEXT_WIDTH = 256
SIZE = 256


@dataclass(frozen=True, slots=True)
class Known:
    """What the model is told: tokens (B, 32), edges (B, 1, 256, 256), colours (B, 3, 16, 16), and which are there."""

    tokens: Tensor
    edges: Tensor
    colors: Tensor
    has_edges: Tensor
    has_colors: Tensor


class Network(nn.Module):
    """Predicts the flow (noise minus latents) of noised latents under any subset of conditions.

        tokens -> text_encoder ----------------> cross-attention \\
        edges  -> structure (T2I-Adapter)   --\\                   UNet -> flow
        colours-> color (T2I-Adapter)       ---+-> residuals ----/
    """

    def __init__(self, tokenizer: CLIPTokenizer) -> None:
        super().__init__()
        self.text_encoder = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(tokenizer),
                hidden_size=TEXT_WIDTH,
                intermediate_size=4 * TEXT_WIDTH,
                num_hidden_layers=3,
                num_attention_heads=4,
                max_position_embeddings=MAX_TOKENS,
                bos_token_id=tokenizer.bos_token_id,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
                projection_dim=TEXT_WIDTH,
            )
        )
        # SD 1.5's order of blocks, which full adapters need; attention over the 32x32 level would cost half of a
        # step and is left out (zero transformer layers there).
        self.unet = UNet2DConditionModel(
            sample_size=SIZE // 8,
            in_channels=LATENT_CHANNELS,
            out_channels=LATENT_CHANNELS,
            block_out_channels=CHANNELS,
            layers_per_block=1,
            down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
            transformer_layers_per_block=(0, 1, 1),
            cross_attention_dim=TEXT_WIDTH,
            attention_head_dim=4,
            norm_num_groups=32,
        )
        # Light adapters repeat their last width, which fits four-level UNets only: both are full ones.
        self.structure = T2IAdapter(1, list(CHANNELS), num_res_blocks=1, downscale_factor=8)
        self.color = T2IAdapter(3, list(CHANNELS), num_res_blocks=1, downscale_factor=8)

    def forward(self, noised: Tensor, time: Tensor, known: Known) -> Tensor:
        """Predict the flow.

        Args:
            noised: (B, C, 32, 32).
            time: (B,) in [0, 1]; 1 is pure noise.
            known: the conditions.
        """
        context = self.text_encoder(known.tokens)[0]
        tiles = F.interpolate(known.colors, size=(SIZE, SIZE), mode="nearest")
        residuals = masked_sum((self.structure(known.edges), self.color(tiles)), (known.has_edges, known.has_colors))
        flow: Tensor = self.unet(noised, 1000 * time, context, down_intrablock_additional_residuals=residuals).sample
        return flow


def masked_sum(pyramids: Sequence[Sequence[Tensor]], masks: Sequence[Tensor]) -> list[Tensor]:
    """Add the feature pyramids, each sample's only where its mask is 1: absent is the same as zeros."""
    levels = zip(*pyramids, strict=True)
    return [sum((f * m.to(f.dtype) for f, m in zip(level, masks, strict=True)), torch.zeros(())) for level in levels]
