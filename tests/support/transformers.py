"""A tiny Z-Image in the hub's layout: real diffusers and transformers classes, random weights."""

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    ZImageControlNetModel,
    ZImageTransformer2DModel,
)
from tokenizers import ByteLevelBPETokenizer
from transformers import Qwen2Tokenizer, Qwen3Config, Qwen3Model

from tests.support.models import WORDS, spread

CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_MARKS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
_WIDTH, _DIM, _HEADS = 16, 32, 2


def build_tiny_transformer(folder: Path, *, controlled: bool = True) -> Path:
    """Write a tiny Z-Image with a union ControlNet into `folder`, which is created, and return it."""
    torch.manual_seed(3)
    tokenizer = _build_tokenizer()
    parts: dict[str, Any] = {
        "transformer": spread(_build_transformer()),
        "vae": _build_vae(),
        "text_encoder": _build_text_encoder(tokenizer),
        "tokenizer": tokenizer,
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=3.0),
    }
    for name, part in parts.items():
        part.save_pretrained(folder / name)
    if controlled:
        _build_controlnet().save_pretrained(folder / "controlnet_canny")
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "ZImagePipeline"}))
    return folder


def _build_transformer() -> ZImageTransformer2DModel:
    transformer = ZImageTransformer2DModel(
        in_channels=4,
        dim=_DIM,
        n_layers=2,
        n_refiner_layers=1,
        n_heads=_HEADS,
        n_kv_heads=_HEADS,
        cap_feat_dim=_WIDTH,
        axes_dims=[4, 6, 6],
        axes_lens=[600, 64, 64],
    )
    for token in (transformer.x_pad_token, transformer.cap_pad_token):
        torch.nn.init.normal_(token)
    return transformer


def _build_controlnet() -> ZImageControlNetModel:
    controlnet = ZImageControlNetModel(
        control_layers_places=[0],
        control_in_dim=4,
        dim=_DIM,
        n_refiner_layers=1,
        n_heads=_HEADS,
        n_kv_heads=_HEADS,
    )
    # These layers start at zero, so that the ControlNet would have no effect.
    for block in controlnet.control_layers:
        for layer in (getattr(block, "before_proj", None), block.after_proj):
            if layer is not None:
                torch.nn.init.normal_(layer.weight, std=0.2)
    return controlnet


def _build_vae() -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(4,) * 4,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        norm_num_groups=2,
        sample_size=64,
        scaling_factor=0.3611,
        shift_factor=0.1159,
    )


def _build_tokenizer() -> Qwen2Tokenizer:
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(WORDS, vocab_size=300, min_frequency=1, show_progress=False)
    vocab = {word: number for number, word in enumerate([*sorted(trained.get_vocab()), *_MARKS])}
    tokenizer = Qwen2Tokenizer(vocab=vocab, merges=[], additional_special_tokens=_MARKS[1:])
    tokenizer.chat_template = CHAT
    return tokenizer


def _build_text_encoder(tokenizer: Qwen2Tokenizer) -> Qwen3Model:
    return Qwen3Model(
        Qwen3Config(
            vocab_size=len(tokenizer),
            hidden_size=_WIDTH,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            head_dim=8,
        )
    )
