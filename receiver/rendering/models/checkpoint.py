"""Load a checkpoint: one safetensors file with UNet, autoencoder and text encoders, by diffusers' own conversion."""

from typing import Any

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, StableDiffusionXLPipeline

from layercast_common.errors import ModelFilesError
from receiver.rendering.model_files.files import ModelFiles
from receiver.rendering.models.parts import ready, unloadable

_MODULES = ("unet", "vae", "text_encoder", "text_encoder_2")


def load_checkpoint(files: ModelFiles, device: torch.device, dtype: torch.dtype) -> dict[str, Any]:
    """Load the parts of a checkpoint, ready for inference, by their names in diffusers' pipelines.

    Args:
        files: the checkpoint, and the folder of its configs and tokenizers.
        device: the device to load to.
        dtype: the number format to load in.

    Raises:
        ModelFilesError: the file cannot be loaded, or lacks a part.
    """
    assert files.checkpoint is not None
    assert files.facts is not None
    large = files.facts.family == "sdxl"
    kind: Any = StableDiffusionXLPipeline if large else StableDiffusionPipeline
    absent = {"feature_extractor": None, **({"image_encoder": None} if large else {"safety_checker": None})}
    try:
        pipeline = kind.from_single_file(
            str(files.checkpoint), config=str(files.folder), local_files_only=True, torch_dtype=dtype, **absent
        )
    # diffusers documents no error types for broken files.
    except Exception as error:
        raise unloadable("checkpoint", files.checkpoint, error) from error
    names = [part for part in (*_MODULES, "tokenizer", "tokenizer_2", "scheduler") if getattr(pipeline, part, None)]
    parts = {part: getattr(pipeline, part) for part in names}
    for part in _MODULES:
        if part in parts and any(tensor.is_meta for tensor in parts[part].parameters()):
            raise ModelFilesError(f"the checkpoint {files.checkpoint} lacks weights of the {part}")
    if files.facts.v_prediction:
        schedule = {"prediction_type": "v_prediction", "rescale_betas_zero_snr": files.facts.zero_snr}
        parts["scheduler"] = type(parts["scheduler"]).from_config(parts["scheduler"].config, **schedule)
    return {name: ready(part, device) if name in _MODULES else part for name, part in parts.items()}


def load_vae_file(files: ModelFiles, device: torch.device, dtype: torch.dtype) -> Any:
    """Load an autoencoder from a single file, in diffusers' form or the original one; its config is the model's.

    Raises:
        ModelFilesError: the file cannot be loaded.
    """
    file = files.parts["vae"]
    try:
        vae = AutoencoderKL.from_single_file(
            str(file), config=str(files.folder), subfolder="vae", local_files_only=True, torch_dtype=dtype
        )
        if any(tensor.is_meta for tensor in vae.parameters()):
            raise ModelFilesError(f"{file} lacks weights of an autoencoder")
    except ModelFilesError:
        raise
    except Exception as error:
        raise unloadable("vae", file, error) from error
    return ready(vae, device)
