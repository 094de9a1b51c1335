"""Tiny models in the hub's layout: real diffusers classes, random weights, a few thousand parameters."""

import json
from pathlib import Path
from typing import Any, Literal

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    ControlNetModel,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    T2IAdapter,
    UNet2DConditionModel,
)
from tokenizers import ByteLevelBPETokenizer
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from receiver.rendering.restoration.network import NetworkForm, RestorationNetwork

WORDS = ("a red house by the lake", "a portrait of an old man", "mountains at night, oil painting")

#: Tokens that a tiny prompt is padded to.
TOKENS = 16

_TEXT_WIDTH = 16

#: Of Stable Diffusion XL's second text encoder, which is wider: diffusers distinguishes the two by that.
_WIDE_TEXT_WIDTH = 24


Kind = Literal["mini", "sd15", "controlnet", "sdxl"]


def build_tiny_model(folder: Path, kind: Kind = "mini", *, seed: int = 0) -> Path:
    """Write a tiny model into `folder` and return the folder.

    Args:
        folder: the model's folder; created.
        kind: "mini" has the embedded model's parts (flow matching, 3 UNet levels, AutoencoderTiny);
            "sd15" has Stable Diffusion 1.5's block order, scheduler family and KL autoencoder, and a pose adapter;
            "controlnet" is "sd15" with ControlNets for edges and poses, and an adapter for colours only;
            "sdxl" has Stable Diffusion XL's two text encoders, time ids, and adapters.
            All render 64 pixels on the long side.
        seed: of the weights.
    """
    torch.manual_seed(seed)
    parts = build_parts(kind)
    for name, part in parts.items():
        part.save_pretrained(folder / name)
    for name, adapter in build_adapters(kind).items():
        adapter.save_pretrained(folder / f"t2iadapter_{name}")
    if kind == "controlnet":
        for name in ("canny", "openpose"):
            _build_controlnet(parts["unet"]).save_pretrained(folder / f"controlnet_{name}")
    index: dict[str, object] = {name: [_library(part), type(part).__name__] for name, part in parts.items()}
    index |= {"_class_name": "StableDiffusionPipeline", "safety_checker": [None, None]}
    (folder / "model_index.json").write_text(json.dumps(index | {"feature_extractor": [None, None]}))
    return folder


def build_parts(kind: Kind) -> dict[str, Any]:
    """Return the parts of a tiny model without its adapters, by name."""
    mini = kind == "mini"
    tokenizer = _build_tokenizer()
    if kind == "sdxl":
        return {
            "unet": spread(_build_xl_unet()),
            "vae": _build_kl_vae(),
            "text_encoder": _build_text_encoder(tokenizer),
            "tokenizer": tokenizer,
            "text_encoder_2": _build_text_encoder(tokenizer, projecting=True),
            "tokenizer_2": tokenizer,
            "scheduler": _build_scheduler(mini=False),
        }
    return {
        "unet": spread(_build_unet(mini=mini)),
        "vae": _build_tiny_vae() if mini else _build_kl_vae(),
        "text_encoder": _build_text_encoder(tokenizer),
        "tokenizer": tokenizer,
        "scheduler": _build_scheduler(mini=mini),
    }


def build_restoration(*, seed: int = 0) -> RestorationNetwork:
    """Return a tiny restoration network of random weights that are the same after saving and loading."""
    torch.manual_seed(seed)
    network = RestorationNetwork(NetworkForm((8, 6, 6, 6), (1, 1, 1, 1), (1, 1, 1), 5))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(0, 0.3)
            if parameter.ndim == 4:
                # Kernels are saved as 8-bit multiples of a scale.
                parameter.mul_(128).round_().clamp_(-127, 127)[:, 0, 0, 0] = 127
                parameter.div_(128)
    return network.half().float()


def _library(part: Any) -> str:
    return "transformers" if type(part).__module__.startswith("transformers") else "diffusers"


def build_adapters(kind: Kind) -> dict[str, Any]:
    """Return the tiny model's adapters, by name."""
    if kind == "controlnet":
        return {"color": spread(_build_adapter("light_adapter", 3, (8, 16, 16)))}
    if kind == "sdxl":
        return {
            "canny": spread(_build_adapter("full_adapter_xl", 3, (8, 16, 16))),
            "openpose": spread(_build_adapter("full_adapter_xl", 3, (8, 16, 16))),
        }
    if kind == "mini":
        return {
            "structure": spread(_build_adapter("full_adapter", 1, (8, 16, 16))),
            "color": spread(_build_adapter("light_adapter", 3, (8, 16))),
        }
    return {
        "canny": spread(_build_adapter("full_adapter", 1, (8, 16, 16, 16))),
        "color": spread(_build_adapter("light_adapter", 3, (8, 16, 16))),
        "openpose": spread(_build_adapter("full_adapter", 3, (8, 16, 16, 16))),
    }


def build_time_cond_unet() -> Any:
    """Return a tiny UNet that takes an embedding of the guidance scale, as latent consistency models have."""
    torch.manual_seed(0)
    unet = spread(_build_unet(mini=False, time_cond_proj_dim=8)).eval().requires_grad_(False)
    # This layer starts at zero, so that the embedding would have no effect.
    torch.nn.init.normal_(unet.time_embedding.cond_proj.weight, std=0.5)
    return unet


def _build_unet(*, mini: bool, **more: Any) -> Any:
    levels = 3 if mini else 4
    return UNet2DConditionModel(
        **more,
        sample_size=8,
        block_out_channels=(8, 16, 16, 16)[:levels],
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D",) * (levels - 1) + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * (levels - 1),
        transformer_layers_per_block=(0, 1, 1) if mini else 1,
        cross_attention_dim=_TEXT_WIDTH,
        attention_head_dim=2,
        norm_num_groups=4,
    )


def _build_adapter(kind: str, channels_in: int, channels: tuple[int, ...]) -> Any:
    factor = 16 if kind == "full_adapter_xl" else 8
    return T2IAdapter(
        in_channels=channels_in, channels=channels, num_res_blocks=1, downscale_factor=factor, adapter_type=kind
    )


def _build_xl_unet() -> Any:
    return UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=_TEXT_WIDTH + _WIDE_TEXT_WIDTH,
        attention_head_dim=2,
        norm_num_groups=4,
        addition_embed_type="text_time",
        addition_time_embed_dim=4,
        projection_class_embeddings_input_dim=_WIDE_TEXT_WIDTH + 6 * 4,
    )


def _build_controlnet(unet: Any) -> Any:
    controlnet = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(4, 4, 8, 8))
    # The last layers start at zero, so that the ControlNet would have no effect.
    for block in (*controlnet.controlnet_down_blocks, controlnet.controlnet_mid_block):
        torch.nn.init.normal_(block.weight, std=0.2)
    torch.nn.init.normal_(controlnet.controlnet_cond_embedding.conv_out.weight, std=0.2)
    return controlnet


def _build_tiny_vae() -> Any:
    return AutoencoderTiny(
        encoder_block_out_channels=(4,) * 4,
        decoder_block_out_channels=(4,) * 4,
        num_encoder_blocks=(1, 1, 1, 1),
        num_decoder_blocks=(1, 1, 1, 1),
    )


def _build_kl_vae() -> Any:
    return AutoencoderKL(
        block_out_channels=(4,) * 4,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        norm_num_groups=2,
        sample_size=64,
    )


def _build_scheduler(*, mini: bool) -> Any:
    if mini:
        return DPMSolverMultistepScheduler(use_flow_sigmas=True, prediction_type="flow_prediction")
    return DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )


def _build_tokenizer() -> Any:
    trained = ByteLevelBPETokenizer(end_of_word_suffix="</w>")
    trained.train_from_iterator(WORDS, vocab_size=300, min_frequency=1, show_progress=False)
    words = sorted(trained.get_vocab())
    vocab = {word: number for number, word in enumerate([*words, "<|startoftext|>", "<|endoftext|>"])}
    return CLIPTokenizer(vocab=vocab, merges=[], model_max_length=TOKENS)


def _build_text_encoder(tokenizer: Any, *, projecting: bool = False) -> Any:
    width = _WIDE_TEXT_WIDTH if projecting else _TEXT_WIDTH
    config = CLIPTextConfig(
        projection_dim=width,
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        max_position_embeddings=TOKENS,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return CLIPTextModelWithProjection(config) if projecting else CLIPTextModel(config)


def spread(module: Any) -> Any:
    """Double the random weights: with the initial ones, conditions hardly change a picture."""
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim > 1:
                parameter.mul_(2)
    return module
