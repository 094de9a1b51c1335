"""Checkpoints in the original layout, made from tiny models: the inverse of diffusers' conversion."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
_TOP = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
}
_ATTENTION = {
    "group_norm": "norm",
    "to_q": "q",
    "to_k": "k",
    "to_v": "v",
    "to_out.0": "proj_out",
}


def write_checkpoint(file: Path, parts: Mapping[str, Any], *, layers: int = 1, flags: tuple[str, ...] = ()) -> Path:
    """Write one file with UNet, autoencoder and text encoders of a tiny Stable Diffusion 1 or XL.

    Args:
        file: the checkpoint.
        parts: the model's parts, by name.
        layers: layers in each block of its UNet.
        flags: names of empty tensors that say how it was trained, such as "v_pred".
    """
    unet, vae, text = (parts[name].state_dict() for name in ("unet", "vae", "text_encoder"))
    weights = {f"model.diffusion_model.{_unet_name(name, layers, unet)}": value for name, value in unet.items()}
    weights |= write_vae(vae, len(parts["vae"].config.block_out_channels), prefix="first_stage_model.")
    large = "text_encoder_2" in parts
    prefix = "conditioner.embedders.0.transformer." if large else "cond_stage_model.transformer."
    if large:
        second = _open_clip(parts["text_encoder_2"].state_dict())
        weights |= {f"conditioner.embedders.1.model.{name}": value for name, value in second.items()}
    weights |= {f"{prefix}text_model.{name.removeprefix('text_model.')}": value for name, value in text.items()}
    weights |= {flag: next(iter(unet.values())).new_zeros(1) for flag in flags}
    save_file({name: value.contiguous().clone() for name, value in weights.items()}, file)
    return file


def _open_clip(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of a CLIP text encoder under OpenCLIP's names, which joins queries, keys and values."""
    plain = {name.removeprefix("text_model."): value for name, value in state.items()}
    weights = {
        "token_embedding.weight": plain["embeddings.token_embedding.weight"],
        "positional_embedding": plain["embeddings.position_embedding.weight"],
        "text_projection": plain["text_projection.weight"].T,
    }
    names = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj"}
    names["self_attn.out_proj"] = "attn.out_proj"
    for name, value in plain.items():
        stem, _, leaf = name.rpartition(".")
        if stem == "final_layer_norm":
            weights[f"ln_final.{leaf}"] = value
        elif match := re.fullmatch(r"encoder\.layers\.(\d+)\.(.+)", stem):
            place = f"transformer.resblocks.{match[1]}"
            if match[2] in names:
                weights[f"{place}.{names[match[2]]}.{leaf}"] = value
            elif match[2] == "self_attn.q_proj":
                joined = [plain[f"{stem[:-6]}{part}_proj.{leaf}"] for part in "qkv"]
                weights[f"{place}.attn.in_proj_{leaf}"] = torch.cat(joined)
    return weights


def write_vae(state: Mapping[str, Tensor], levels: int, prefix: str = "") -> dict[str, Tensor]:
    """Return the weights of an autoencoder under their original names."""
    return {prefix + _vae_name(name, levels): _conv(name, value) for name, value in state.items()}


def _conv(name: str, value: Tensor) -> Tensor:
    """The original attention layers are convolutions of one pixel."""
    attention = "attentions" in name and name.endswith("weight") and value.ndim == 2
    return value[:, :, None, None] if attention else value


def _unet_name(name: str, layers: int, state: Mapping[str, Tensor]) -> str:
    stem, _, leaf = name.rpartition(".")
    if stem in _TOP:
        return f"{_TOP[stem]}.{leaf}"
    if match := re.fullmatch(r"mid_block\.(resnets|attentions)\.(\d)\.(.+)", name):
        kind, number, rest = match[1], int(match[2]), match[3]
        place = 2 * number if kind == "resnets" else 1
        return f"middle_block.{place}.{_inner(rest) if kind == 'resnets' else rest}"
    match = re.fullmatch(r"(down|up)_blocks\.(\d)\.(\w+)\.(\d)\.(.+)", name)
    assert match is not None
    side, block, kind, number, rest = match[1], int(match[2]), match[3], int(match[4]), match[5]
    if side == "down":
        index = block * (layers + 1) + number + 1
        if kind == "downsamplers":
            return f"input_blocks.{(block + 1) * (layers + 1)}.0.op.{leaf}"
        return f"input_blocks.{index}.{0 if kind == 'resnets' else 1}.{_inner(rest) if kind == 'resnets' else rest}"
    if kind == "upsamplers":
        last = block * (layers + 1) + layers
        attended = any(key.startswith(f"up_blocks.{block}.attentions.") for key in state)
        return f"output_blocks.{last}.{2 if attended else 1}.conv.{leaf}"
    index = block * (layers + 1) + number
    return f"output_blocks.{index}.{0 if kind == 'resnets' else 1}.{_inner(rest) if kind == 'resnets' else rest}"


def _inner(rest: str) -> str:
    stem, _, leaf = rest.rpartition(".")
    return f"{_RESNET[stem]}.{leaf}"


def _vae_name(name: str, levels: int) -> str:
    name = name.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
    if match := re.fullmatch(r"(\w+)\.mid_block\.resnets\.(\d)\.(.+)", name):
        return f"{match[1]}.mid.block_{int(match[2]) + 1}.{match[3]}"
    if match := re.fullmatch(r"(\w+)\.mid_block\.attentions\.0\.(.+)\.(\w+)", name):
        return f"{match[1]}.mid.attn_1.{_ATTENTION[match[2]]}.{match[3]}"
    if match := re.fullmatch(r"encoder\.down_blocks\.(\d)\.resnets\.(\d)\.(.+)", name):
        return f"encoder.down.{match[1]}.block.{match[2]}.{match[3]}"
    if match := re.fullmatch(r"encoder\.down_blocks\.(\d)\.downsamplers\.0\.(.+)", name):
        return f"encoder.down.{match[1]}.downsample.{match[2]}"
    if match := re.fullmatch(r"decoder\.up_blocks\.(\d)\.resnets\.(\d)\.(.+)", name):
        return f"decoder.up.{levels - 1 - int(match[1])}.block.{match[2]}.{match[3]}"
    if match := re.fullmatch(r"decoder\.up_blocks\.(\d)\.upsamplers\.0\.(.+)", name):
        return f"decoder.up.{levels - 1 - int(match[1])}.upsample.{match[2]}"
    return name
