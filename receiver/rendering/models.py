"""Loading a model: every part of every model by `from_pretrained`, from folders on this machine alone."""

import json
import logging
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import AutoencoderKL, AutoencoderTiny, T2IAdapter, UNet2DConditionModel
from diffusers.loaders import StableDiffusionLoraLoaderMixin
from diffusers.utils import logging as diffusers_logging
from transformers import CLIPTextModel, CLIPTokenizer
from transformers.utils import logging as transformers_logging

from layercast_errors import MissingExtraError, ModelFilesError
from receiver.rendering.devices import choose_device, choose_dtype
from receiver.rendering.files import AdapterFiles, ModelFiles, find_files
from receiver.rendering.hub import has_weights
from receiver.rendering.schedules import choose_scheduler, infer_settings
from receiver.rendering.settings import Condition, RenderSettings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False, kw_only=True)
class Model:
    """A loaded model. It is only read after loading, but diffusers' modules are not thread-safe: one thread at a time.

    Attributes:
        name: what it was asked for as.
        settings: how it is used.
        device: where its modules are.
        dtype: their number format; samples themselves are kept in float32.
        scheduler: the scheduler that each run gets a fresh copy of.
        adapters: the conditions that it understands beside text.
    """

    name: str
    settings: RenderSettings
    device: torch.device
    dtype: torch.dtype
    unet: Any
    vae: Any
    preview_vae: Any
    text_encoder: Any
    tokenizer: Any
    scheduler: Any
    adapters: Mapping[Condition, Any]

    @property
    def pixels_per_latent(self) -> int:
        """Pixels on a side of one latent cell."""
        return pixels_per_latent(self.vae)

    @property
    def size_multiple(self) -> int:
        """Both sides of a picture must be multiples of this, in pixels, for every part to fit."""
        unet = self.pixels_per_latent * 2 ** (len(self.unet.config.block_out_channels) - 1)
        return math.lcm(unet, *(int(adapter.total_downscale_factor) for adapter in self.adapters.values()))


def pixels_per_latent(vae: Any) -> int:
    """Pixels on a side of one latent cell of an autoencoder."""
    return int(2 ** (len(vae.config.block_out_channels) - 1))


def load_model(
    name: str | Path = "mini", device: str = "auto", *, dtype: str = "auto", settings: RenderSettings | None = None
) -> Model:
    """Load a model from this machine; never asks the network.

    Args:
        name: a registered name, a local folder in the hub's layout, or a hub id in the hub's cache.
        device: "auto" (CUDA, else Apple's GPU, else the CPU) or a torch device.
        dtype: "float32", "bfloat16", "float16", or "auto": float16 on a GPU; on a CPU float32,
            but bfloat16 for a large model where the CPU has it.
        settings: in place of the registry's or the inferred ones.

    Raises:
        UnknownModelError: no model of that name.
        MissingModelError: a known model whose files are not on this machine.
        ModelFilesError: a part is missing or broken, or the parts do not fit together.
        UsageError: no such device or number format.
    """
    files = find_files(name)
    place = choose_device(device)
    numbers = choose_dtype(dtype, place, files.parts["unet"])
    with _quiet_libraries():
        model = _load_parts(files, place, numbers, settings)
    _check_fit(model)
    if Condition.EDGES not in model.adapters:
        logger.warning("%s has no adapter for edges: that layer will not show", model.name)
    if Condition.COLORS not in model.adapters:
        logger.info("%s has no adapter for colours: they are followed roughly", model.name)
    return model


def _load_parts(files: ModelFiles, place: torch.device, numbers: torch.dtype, settings: RenderSettings | None) -> Model:

    def load(kind: Any, folder: Path, part: str) -> Any:
        return _load_module(kind, folder, part, place, numbers)

    unet = load(UNet2DConditionModel, files.parts["unet"], "unet")
    if files.lora:
        _fuse_lora(unet, files.lora)
    vae = load(_autoencoder(files.parts["vae"]), files.parts["vae"], "vae")
    preview_vae = load(AutoencoderTiny, files.preview_vae, "preview vae") if files.preview_vae else vae
    own_scheduler = _load_scheduler(files.parts["scheduler"])
    settings = settings or files.settings or infer_settings(unet, own_scheduler, pixels_per_latent(vae))
    return Model(
        name=files.name,
        settings=settings,
        device=place,
        dtype=numbers,
        unet=unet,
        vae=vae,
        preview_vae=preview_vae,
        text_encoder=load(CLIPTextModel, files.parts["text_encoder"], "text_encoder"),
        tokenizer=_guarded("tokenizer", files.parts["tokenizer"], CLIPTokenizer.from_pretrained),
        scheduler=choose_scheduler(own_scheduler, settings.solver),
        adapters={
            condition: load(T2IAdapter, _as_safetensors(adapter), adapter.folder.name)
            for condition, adapter in files.adapters.items()
        },
    )


@contextmanager
def _quiet_libraries() -> Iterator[None]:
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


def _load_module(kind: Any, folder: Path, part: str, device: torch.device, dtype: torch.dtype) -> Any:
    plain = any(path.name.count(".") == 1 for path in folder.glob("*.safetensors"))
    options = {"dtype": dtype, "use_safetensors": True, "variant": None if plain else "fp16"}
    module = _guarded(part, folder, kind.from_pretrained, **options)
    return module.to(device=device, memory_format=torch.channels_last).eval().requires_grad_(False)


def _guarded(part: str, folder: Path, load: Callable[..., Any], **options: Any) -> Any:
    try:
        return load(str(folder), local_files_only=True, **options)
    # The libraries below promise no error types for broken files: anything from KeyError to RuntimeError comes out.
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelFilesError(f"the model's {part} in {folder} cannot be loaded: {reason}") from error


def _autoencoder(folder: Path) -> Any:
    return AutoencoderTiny if _class_name("vae", folder, "config.json") == "AutoencoderTiny" else AutoencoderKL


def _load_scheduler(folder: Path) -> Any:
    name = _class_name("scheduler", folder, "scheduler_config.json")
    kind = getattr(diffusers, name, None)
    if kind is None:
        raise ModelFilesError(f"the model's scheduler in {folder} is of a class that diffusers lacks: {name!r}")
    return _guarded("scheduler", folder, kind.from_pretrained)


def _class_name(part: str, folder: Path, config: str) -> str:
    try:
        return str(json.loads((folder / config).read_bytes())["_class_name"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ModelFilesError(f"the model's {part} in {folder} has no readable {config}") from error


def _as_safetensors(adapter: AdapterFiles) -> Path:
    if adapter.convert_to is None:
        return adapter.folder
    if not has_weights(adapter.convert_to):
        logger.info("converting %s to safetensors", adapter.folder)
        module = _guarded("adapter", adapter.folder, T2IAdapter.from_pretrained, use_safetensors=False)
        module.save_pretrained(adapter.convert_to)
    return adapter.convert_to


def _fuse_lora(unet: Any, folder: Path) -> None:
    try:
        import peft  # noqa: F401 - diffusers needs it and says so less clearly
    except ImportError as error:
        raise MissingExtraError("a model with a LoRA", "render") from error
    weights, alphas = _guarded("LoRA", folder, StableDiffusionLoraLoaderMixin.lora_state_dict)
    StableDiffusionLoraLoaderMixin.load_lora_into_unet(weights, alphas, unet)
    unet.fuse_lora()
    unet.unload_lora()


def _check_fit(model: Model) -> None:
    """Say at once what torch would say in the middle of the first picture, and less clearly."""
    unet: Any = model.unet.config
    width, depth = model.text_encoder.config.hidden_size, model.vae.config.latent_channels
    facts: list[tuple[str, Any, Any]] = [
        (f"the text encoder is {width} wide", unet.cross_attention_dim, width),
        (f"the vae has {depth} channels", unet.in_channels, depth),
    ]
    for condition, adapter in model.adapters.items():
        channels = list(adapter.config.channels)
        # A light adapter repeats its last width once more than its config lists.
        given = (channels + channels[-1:])[: len(unet.block_out_channels)]
        wanted = list(unet.block_out_channels)[: len(given)]
        facts.append((f"the {condition.value} adapter gives {given} channels", wanted, given))
    for what, wanted_by_unet, given in facts:
        if wanted_by_unet != given:
            raise ModelFilesError(f"the parts of {model.name} do not fit: {what}, but its unet takes {wanted_by_unet}")
    if unet.addition_embed_type is not None:
        raise ModelFilesError(f"{model.name} is not a Stable Diffusion 1 kind of model: its unet takes more than text")
