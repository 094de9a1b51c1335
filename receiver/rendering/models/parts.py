"""Load single parts of a model with `from_pretrained`; errors name the broken part."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import AutoencoderKL, AutoencoderTiny, T2IAdapter
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from layercast_common.errors import ModelFilesError
from layercast_common.files import make_folder
from layercast_common.nested_text import parse_json
from receiver.rendering.model_files.adapters import AdapterFiles
from receiver.rendering.model_files.hub import choose_weights, has_weights

_log = logging.getLogger(__name__)


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Suppress the libraries' progress bars, and their warnings about their own affairs, within the block.

    These are old config keys, and modules that are cast to the format in which they are loaded or saved anyway.
    """
    libraries, level = (transformers_logging, diffusers_logging), diffusers_logging.get_verbosity()
    shown = [library for library in libraries if library.is_progress_bar_enabled()]
    for library in shown:
        library.disable_progress_bar()
    diffusers_logging.set_verbosity_error()
    try:
        yield
    finally:
        diffusers_logging.set_verbosity(level)
        for library in shown:
            library.enable_progress_bar()


def load_module(kind: Any, folder: Path, part: str, device: torch.device, dtype: torch.dtype) -> Any:
    """Load the weights of one part, ready for inference.

    Args:
        kind: the part's class in diffusers or transformers.
        folder: its config and safetensors. Files in half precision are used for float16, and if there are no others.
        part: its name, for errors.
        device: the device to load to.
        dtype: the number format to load in.

    Raises:
        ModelFilesError: the files cannot be loaded.
    """
    chosen = choose_weights([path.name for path in folder.glob("*.safetensors")], half=dtype is torch.float16)
    variant = "fp16" if any(".fp16" in name for name in chosen) else None
    options = {"dtype": dtype, "use_safetensors": True, "variant": variant}
    return ready(load_guarded(part, folder, kind.from_pretrained, **options), device)


def ready(module: Any, device: torch.device) -> Any:
    """Move a module to a device and prepare it for inference."""
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
        raise unloadable(part, folder, error) from error


def unloadable(part: str, place: Path, error: Exception) -> ModelFilesError:
    """Return the error for a part that a library cannot load."""
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return ModelFilesError(f"the model's {part} in {place} cannot be loaded: {reason}")


def autoencoder_class(folder: Path) -> Any:
    """Return the diffusers class of an autoencoder's folder.

    Raises:
        ModelFilesError: its config cannot be read.
    """
    return AutoencoderTiny if read_class("vae", folder, "config.json") == "AutoencoderTiny" else AutoencoderKL


def load_scheduler(folder: Path) -> Any:
    """Load the scheduler in a folder.

    Raises:
        ModelFilesError: its config cannot be read, or names a class that diffusers does not have.
    """
    name = read_class("scheduler", folder, "scheduler_config.json")
    kind = getattr(diffusers, name, None)
    if kind is None:
        raise ModelFilesError(f"the model's scheduler in {folder} needs a class that diffusers lacks: {name!r}")
    return load_guarded("scheduler", folder, kind.from_pretrained)


def read_class(part: str, folder: Path, config: str) -> str:
    """Return the name of the class that a part's config names.

    Raises:
        ModelFilesError: the config cannot be read.
    """
    try:
        return str(parse_json((folder / config).read_bytes())["_class_name"])
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
