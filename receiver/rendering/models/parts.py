"""Load single parts of a model with `from_pretrained`; errors name the broken part."""

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
from layercast_common.files import make_folder
from receiver.rendering.model_files.files import AdapterFiles
from receiver.rendering.model_files.hub import has_weights

_log = logging.getLogger(__name__)


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Suppress the libraries' progress bars, and their warnings about their own old config keys, within the block."""
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
    """Load the weights of one part, ready for inference.

    Args:
        kind: the part's class in diffusers or transformers.
        folder: its config and safetensors; half-precision files are used if there are no others.
        part: its name, for errors.
        device: the device to load to.
        dtype: the number format to load in.

    Raises:
        ModelFilesError: the files cannot be loaded.
    """
    plain = any(path.name.count(".") == 1 for path in folder.glob("*.safetensors"))
    options = {"dtype": dtype, "use_safetensors": True, "variant": None if plain else "fp16"}
    module = load_guarded(part, folder, kind.from_pretrained, **options)
    return module.to(device=device, memory_format=torch.channels_last).eval().requires_grad_(False)


def load_guarded(part: str, folder: Path, load: Callable[..., Any], **options: Any) -> Any:
    """Call a library's loading function on local files.

    Raises:
        ModelFilesError: it fails; the text names the part and the folder.
    """
    try:
        return load(str(folder), local_files_only=True, **options)
    # The libraries document no error types for broken files: they raise anything from KeyError to RuntimeError.
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelFilesError(f"the model's {part} in {folder} cannot be loaded: {reason}") from error


def autoencoder_class(folder: Path) -> Any:
    """Return the diffusers class of an autoencoder's folder.

    Raises:
        ModelFilesError: its config cannot be read.
    """
    return AutoencoderTiny if _class_name("vae", folder, "config.json") == "AutoencoderTiny" else AutoencoderKL


def load_scheduler(folder: Path) -> Any:
    """Load the scheduler in a folder.

    Raises:
        ModelFilesError: its config cannot be read, or names a class that diffusers does not have.
    """
    name = _class_name("scheduler", folder, "scheduler_config.json")
    kind = getattr(diffusers, name, None)
    if kind is None:
        raise ModelFilesError(f"the model's scheduler in {folder} needs a class that diffusers lacks: {name!r}")
    return load_guarded("scheduler", folder, kind.from_pretrained)


def _class_name(part: str, folder: Path, config: str) -> str:
    try:
        return str(json.loads((folder / config).read_bytes())["_class_name"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ModelFilesError(f"the model's {part} in {folder} has no readable {config}") from error


def convert_to_safetensors(adapter: AdapterFiles) -> Path:
    """Return an adapter's folder with safetensors weights; convert a trusted pickle first.

    Raises:
        ModelFilesError: the pickle cannot be loaded.
        StorageError: layercast's cache cannot be written.
    """
    if adapter.convert_to is None:
        return adapter.folder
    if not has_weights(adapter.convert_to):
        _log.info("converting %s to safetensors", adapter.folder)
        module = load_guarded("adapter", adapter.folder, T2IAdapter.from_pretrained, use_safetensors=False)
        make_folder(adapter.convert_to)
        module.save_pretrained(adapter.convert_to)
    return adapter.convert_to


def fuse_lora(unet: Any, folder: Path) -> None:
    """Add the weights of a LoRA to a UNet, in place.

    Raises:
        MissingExtraError: peft is not installed.
        ModelFilesError: the LoRA cannot be loaded.
    """
    try:
        import peft  # noqa: F401 - diffusers needs it, but its own error is less clear
    except ImportError as error:
        raise MissingExtraError("a model with a LoRA", "render") from error
    weights, alphas = load_guarded("LoRA", folder, StableDiffusionLoraLoaderMixin.lora_state_dict)
    StableDiffusionLoraLoaderMixin.load_lora_into_unet(weights, alphas, unet)
    unet.fuse_lora()
    unet.unload_lora()
