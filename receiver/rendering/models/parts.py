"""Loading the single parts of a model by `from_pretrained`, with errors that say which part is broken."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import AutoencoderKL, AutoencoderTiny, T2IAdapter
from diffusers.loaders import StableDiffusionLoraLoaderMixin
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from layercast_common.errors import MissingExtraError, ModelFilesError
from receiver.rendering.model_files.files import AdapterFiles
from receiver.rendering.model_files.hub import has_weights

logger = logging.getLogger(__name__)


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keep the libraries from drawing a progress bar for each part, and from warning of their own old config keys."""
    bars, level = transformers_logging.is_progress_bar_enabled(), diffusers_logging.get_verbosity()
    transformers_logging.disable_progress_bar()
    diffusers_logging.set_verbosity_error()
    try:
        yield
    finally:
        diffusers_logging.set_verbosity(level)
        if bars:
            transformers_logging.enable_progress_bar()


def load_module(kind: Any, folder: Path, part: str, device: torch.device, dtype: torch.dtype) -> Any:
    plain = any(path.name.count(".") == 1 for path in folder.glob("*.safetensors"))
    options = {"dtype": dtype, "use_safetensors": True, "variant": None if plain else "fp16"}
    module = guarded(part, folder, kind.from_pretrained, **options)
    return module.to(device=device, memory_format=torch.channels_last).eval().requires_grad_(False)


def guarded(part: str, folder: Path, load: Callable[..., Any], **options: Any) -> Any:
    try:
        return load(str(folder), local_files_only=True, **options)
    # The libraries below promise no error types for broken files: anything from KeyError to RuntimeError comes out.
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelFilesError(f"the model's {part} in {folder} cannot be loaded: {reason}") from error


def autoencoder(folder: Path) -> Any:
    return AutoencoderTiny if _class_name("vae", folder, "config.json") == "AutoencoderTiny" else AutoencoderKL


def load_scheduler(folder: Path) -> Any:
    name = _class_name("scheduler", folder, "scheduler_config.json")
    kind = getattr(diffusers, name, None)
    if kind is None:
        raise ModelFilesError(f"the model's scheduler in {folder} is of a class that diffusers lacks: {name!r}")
    return guarded("scheduler", folder, kind.from_pretrained)


def _class_name(part: str, folder: Path, config: str) -> str:
    try:
        return str(json.loads((folder / config).read_bytes())["_class_name"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ModelFilesError(f"the model's {part} in {folder} has no readable {config}") from error


def as_safetensors(adapter: AdapterFiles) -> Path:
    if adapter.convert_to is None:
        return adapter.folder
    if not has_weights(adapter.convert_to):
        logger.info("converting %s to safetensors", adapter.folder)
        module = guarded("adapter", adapter.folder, T2IAdapter.from_pretrained, use_safetensors=False)
        module.save_pretrained(adapter.convert_to)
    return adapter.convert_to


def fuse_lora(unet: Any, folder: Path) -> None:
    try:
        import peft  # noqa: F401 - diffusers needs it and says so less clearly
    except ImportError as error:
        raise MissingExtraError("a model with a LoRA", "render") from error
    weights, alphas = guarded("LoRA", folder, StableDiffusionLoraLoaderMixin.lora_state_dict)
    StableDiffusionLoraLoaderMixin.load_lora_into_unet(weights, alphas, unet)
    unet.fuse_lora()
    unet.unload_lora()
