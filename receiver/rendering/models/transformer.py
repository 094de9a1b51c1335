"""Diffusion transformers (Z-Image, arXiv 2511.22699) in place of a UNet, with a union ControlNet."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from diffusers import ZImageControlNetModel, ZImageTransformer2DModel
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from layercast_common.errors import ModelFilesError
from layercast_common.nested_text import parse_json
from receiver.rendering.models.parts import load_guarded, load_module, read_class, ready, unloadable

#: Text encoders whose hidden states a transformer reads.
_TEXT_ENCODERS = ("Qwen3Model", "Qwen3ForCausalLM")


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformerConfig:
    """What the denoising loop needs to know of a transformer, by the names of a UNet's config.

    Attributes:
        in_channels: channels of the latents.
        cross_attention_dim: width of the text embeddings.
        block_out_channels: two levels, because patches of two latent cells halve both sides once.
    """

    in_channels: int
    cross_attention_dim: int
    block_out_channels: tuple[int, int] = (0, 0)


class TransformerDenoiser:
    """Called like a UNet; runs the ControlNet where rows have a control."""

    def __init__(self, transformer: Any, controlnet: Any = None) -> None:
        """Take over a transformer.

        Args:
            transformer: diffusers' `ZImageTransformer2DModel`.
            controlnet: diffusers' `ZImageControlNetModel`; it gets the transformer's embeddings. None for none.
        """
        config = transformer.config
        self.config = TransformerConfig(in_channels=config.in_channels, cross_attention_dim=config.cap_feat_dim)
        self._transformer = transformer
        self._controlnet = controlnet and ZImageControlNetModel.from_transformer(controlnet, transformer)

    def __call__(
        self,
        sample: Tensor,
        timestep: Tensor,
        *,
        encoder_hidden_states: Tensor,
        control: Tensor | None = None,
        control_rows: Tensor | None = None,
        control_weight: float = 1.0,
        **_: object,
    ) -> tuple[Tensor]:
        """Run one pass.

        Args:
            sample: (rows, C, h, w) latents.
            timestep: (rows,) from 1000, noise, to 0.
            encoder_hidden_states: (rows, tokens, width) embeddings of the prompts.
            control: (rows, C, 1, h, w) latents for the ControlNet, or None.
            control_rows: (rows,) whether a row has a control.
            control_weight: factor of the ControlNet's residuals.

        Returns:
            The velocity from picture to noise, (rows, C, h, w).
        """
        latents = list(sample.contiguous().unsqueeze(2).unbind(dim=0))
        # The transformer counts time from noise to picture, and predicts the opposite velocity.
        times, texts = (1000 - timestep) / 1000, list(encoder_hidden_states.unbind(dim=0))
        residuals = None
        if control is not None and self._controlnet is not None:
            residuals = self._controlnet(latents, times, texts, control, conditioning_scale=control_weight)
            if control_rows is not None and not bool(control_rows.all()):
                residuals = {layer: value * control_rows[:, None, None] for layer, value in residuals.items()}
        output = self._transformer(latents, times, texts, controlnet_block_samples=residuals, return_dict=False)[0]
        return (-torch.stack([row.float() for row in output]).squeeze(2),)


def load_transformer_parts(folders: Any, device: torch.device, dtype: torch.dtype) -> dict[str, Any]:
    """Load transformer, text encoder and tokenizer, by their names in diffusers' pipelines.

    Args:
        folders: folder of each part.
        device: the device to load to.
        dtype: the number format to load in.

    Raises:
        ModelFilesError: a part cannot be loaded, or is of a class that layercast does not know.
    """
    kind = read_class("transformer", folders["transformer"], "config.json")
    if kind != "ZImageTransformer2DModel":
        raise ModelFilesError(f"the model's transformer is a {kind}; layercast knows ZImageTransformer2DModel")
    architectures = _architectures(folders["text_encoder"])
    encoder = next((name for name in _TEXT_ENCODERS if name in architectures), None)
    if encoder is None:
        raise ModelFilesError(
            f"the model's text_encoder is a {', '.join(architectures) or 'part of unknown class'}; layercast knows "
            f"{' and '.join(_TEXT_ENCODERS)}"
        )
    # The last layer with the vocabulary is not needed.
    text_encoder = load_module(transformers.Qwen3Model, folders["text_encoder"], "text_encoder", device, dtype)
    return {
        "transformer": load_module(ZImageTransformer2DModel, folders["transformer"], "transformer", device, dtype),
        "text_encoder": text_encoder,
        "tokenizer": load_guarded("tokenizer", folders["tokenizer"], transformers.AutoTokenizer.from_pretrained),
    }


def load_union_controlnet(place: Path, transformer: Any, device: torch.device, dtype: torch.dtype) -> Any:
    """Load a union ControlNet from a folder with a config, or from one file of the first version.

    Raises:
        ModelFilesError: it cannot be loaded.
    """
    if place.is_dir():
        return load_module(ZImageControlNetModel, place, place.name, device, dtype)
    try:
        weights = load_file(place)
        controlnet = ZImageControlNetModel(**_controlnet_config(weights, transformer.config))
        controlnet.load_state_dict(weights)
    except (OSError, SafetensorError, RuntimeError, LookupError) as error:
        raise unloadable("ControlNet", place, error) from error
    return ready(controlnet.to(dtype), device)


def _controlnet_config(weights: dict[str, Tensor], config: Any) -> dict[str, Any]:
    """Infer the config of a file of the first version: every fifth layer is controlled, by a copy of that layer."""
    layers = len({name.split(".")[1] for name in weights if name.startswith("control_layers.")})
    embedder = weights["control_all_x_embedder.2-1.weight"]
    if any(name.startswith("control_noise_refiner.0.after_proj") for name in weights):
        raise LookupError("files of version 2 need a folder with config.json; use the first version")
    return {
        "control_layers_places": list(range(0, config.n_layers, -(-config.n_layers // layers)))[:layers],
        "control_in_dim": embedder.shape[1] // 4,
        "dim": config.dim,
        "n_refiner_layers": config.n_refiner_layers,
        "n_heads": config.n_heads,
        "n_kv_heads": config.n_kv_heads,
        "norm_eps": config.norm_eps,
        "qk_norm": config.qk_norm,
    }


def _architectures(folder: Path) -> list[str]:
    try:
        return [str(name) for name in parse_json((folder / "config.json").read_bytes())["architectures"]]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ModelFilesError(f"the model's text_encoder in {folder} has no readable config.json") from error
