"""The jointly trained parts of `mini`: text encoder, UNet and two T2I-Adapters, all of stock classes."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from diffusers import T2IAdapter, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from training.data.captions import MAX_TOKENS
from training.mini.transform import LATENT_CHANNELS
from training.sizes import Sizes

#: Side of a picture, in pixels.
SIZE = 256


@dataclass(frozen=True, slots=True)
class Known:
    """The conditions of a batch.

    Attributes:
        tokens: (B, 32) int64.
        edges: (B, 1, 256, 256), 0 or 1.
        colors: (B, 3, 16, 16) in [0, 1].
        has_edges, has_colors: (B, 1, 1, 1), 1 where a sample has the condition, else 0.
    """

    tokens: Tensor
    edges: Tensor
    colors: Tensor
    has_edges: Tensor
    has_colors: Tensor


class MiniNetwork(nn.Module):
    """Predicts the flow (noise minus latents) of noised latents under any subset of conditions.

        tokens -> text_encoder ----------------> cross-attention \\
        edges  -> structure (T2I-Adapter)   --\\                   UNet -> flow
        colours-> color (T2I-Adapter)       ---+-> residuals ----/
    """

    def __init__(self, tokenizer: CLIPTokenizer, sizes: Sizes) -> None:
        super().__init__()
        self.text_encoder = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(tokenizer),
                hidden_size=sizes.text,
                intermediate_size=4 * sizes.text,
                num_hidden_layers=sizes.text_layers,
                num_attention_heads=4,
                max_position_embeddings=MAX_TOKENS,
                bos_token_id=tokenizer.bos_token_id,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
                projection_dim=sizes.text,
            )
        )
        # The order of blocks of SD 1.5, which full adapters need. Attention on the 32x32 level would cost half of a
        # step and is left out (zero transformer layers there).
        self.unet = UNet2DConditionModel(
            sample_size=SIZE // 8,
            in_channels=LATENT_CHANNELS,
            out_channels=LATENT_CHANNELS,
            block_out_channels=sizes.channels,
            layers_per_block=1,
            down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
            transformer_layers_per_block=(0, 1, 1),
            cross_attention_dim=sizes.text,
            attention_head_dim=4,
            norm_num_groups=32,
            # The pooled text is also added to the time embedding, as in DeepFloyd IF, so that it reaches every block.
            addition_embed_type="text",
            resnet_time_scale_shift="scale_shift",
        )
        # Light adapters repeat their last width, which fits only UNets of four levels; so both are full adapters.
        self.structure = T2IAdapter(1, list(sizes.channels), num_res_blocks=1, downscale_factor=8)
        self.color = T2IAdapter(3, list(sizes.channels), num_res_blocks=1, downscale_factor=8)

    def forward(self, noised: Tensor, time: Tensor, known: Known) -> Tensor:
        """Predict the flow.

        Args:
            noised: (B, C, 32, 32).
            time: (B,) in [0, 1]; 1 is pure noise.
            known: the conditions.
        """
        context = self.text_encoder(known.tokens)[0]
        tiles = F.interpolate(known.colors, size=(SIZE, SIZE), mode="nearest")
        residuals = sum_where(
            features_where(self.structure, known.edges, known.has_edges),
            features_where(self.color, tiles, known.has_colors),
        )
        flow: Tensor = self.unet(noised, 1000 * time, context, down_intrablock_additional_residuals=residuals).sample
        return flow


def features_where(adapter: T2IAdapter, images: Tensor, mask: Tensor) -> list[Tensor] | None:
    """Run an adapter on the samples whose mask is 1; the others get zeros. None if the mask is 0 everywhere."""
    rows = mask.flatten().nonzero().flatten()
    if not len(rows):
        return None
    return [
        level.new_zeros(len(images), *level.shape[1:]).index_copy(0, rows, level) for level in adapter(images[rows])
    ]


def sum_where(*pyramids: list[Tensor] | None) -> list[Tensor] | None:
    """Add the feature pyramids that are not None, level by level; None if all are None."""
    present = [pyramid for pyramid in pyramids if pyramid is not None]
    return [torch.stack(level).sum(0) for level in zip(*present, strict=True)] if present else None
