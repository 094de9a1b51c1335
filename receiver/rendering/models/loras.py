"""Add LoRAs (arXiv 2106.09685) to a model's weights, for good: a fused LoRA costs no time per step."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline, ZImagePipeline

from layercast_common.errors import MissingExtraError, ModelFilesError
from receiver.rendering.model_files.adapters import LoraFiles
from receiver.rendering.models.parts import unloadable


def fuse_loras(parts: Mapping[str, Any], loras: Sequence[LoraFiles]) -> None:
    """Add the weights of LoRAs to the denoiser and the text encoders, in place, as diffusers' own pipelines do.

    Args:
        parts: the model's parts by their names in diffusers' pipelines.
        loras: in the form of diffusers, kohya or others that diffusers reads.

    Raises:
        MissingExtraError: peft is not installed.
        ModelFilesError: a LoRA cannot be loaded, or was made for another kind of model.
    """
    if not loras:
        return
    try:
        import peft  # noqa: F401 - diffusers needs it, but its own error is less clear
    except ImportError as error:
        raise MissingExtraError("a model with a LoRA", "render") from error
    # Pipelines change the config of the scheduler that they get.
    pipeline = _pipeline({**parts, "scheduler": copy.deepcopy(parts["scheduler"])})
    for lora in loras:
        try:
            pipeline.load_lora_weights(str(lora.file.parent), weight_name=lora.file.name, local_files_only=True)
            loaded = pipeline.get_list_adapters()
            if loaded:
                pipeline.fuse_lora(lora_scale=lora.weight)
            pipeline.unload_lora_weights()
        # The libraries document no error types for LoRAs of other models.
        except Exception as error:
            raise unloadable("LoRA", lora.file, error) from error
        if not loaded:
            raise ModelFilesError(f"the LoRA {lora.file} changes no part of this model: it was made for another one")


def _pipeline(parts: Mapping[str, Any]) -> Any:
    if "transformer" in parts:
        return ZImagePipeline(**parts)
    if "text_encoder_2" in parts:
        return StableDiffusionXLPipeline(**parts, add_watermarker=False)
    return StableDiffusionPipeline(**parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False)
