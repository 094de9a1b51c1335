"""Load a model from folders on this machine, for one way of running it."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderTiny, ControlNetModel, T2IAdapter, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from codec.wavelet.plane import Plane
from layercast_common.errors import ModelFilesError, UsageError
from receiver.rendering.backends.choice import with_performance
from receiver.rendering.model_files.files import ModelFiles, find_files
from receiver.rendering.model_files.fingerprint import fingerprint, revision_of
from receiver.rendering.models.checkpoint import load_checkpoint, load_vae_file
from receiver.rendering.models.devices import choose_device, choose_dtype
from receiver.rendering.models.embedded_guidance import embed_guidance
from receiver.rendering.models.loras import fuse_loras
from receiver.rendering.models.model import Model
from receiver.rendering.models.parts import (
    autoencoder_class,
    convert_to_safetensors,
    load_guarded,
    load_module,
    load_scheduler,
    quiet_libraries,
)
from receiver.rendering.models.scheduler_choice import choose_scheduler
from receiver.rendering.models.text_encoders import shorten
from receiver.rendering.models.transformer import TransformerDenoiser, load_transformer_parts, load_union_controlnet
from receiver.rendering.restoration.restorer import Restorer
from receiver.rendering.retrieval import RetrievalIndex
from receiver.rendering.settings.settings import Condition, RenderSettings
from receiver.rendering.settings.tuning import Tuning

#: Canvas side of the plane that is restored to warm up, in pixels.
_WARM_UP_SIDE = 64

_log = logging.getLogger(__name__)


def load_model(
    name: str | Path = "mini",
    device: str = "auto",
    *,
    dtype: str = "auto",
    performance: str = "auto",
    settings: RenderSettings | None = None,
    tuning: Tuning | None = None,
) -> Model:
    """Load a model from this machine; never uses the network.

    Args:
        name: a registered name, a local folder in the hub's layout, a checkpoint (one safetensors file), or a hub id in
            the hub's cache.
        device: "auto" (CUDA, else Apple's GPU, else the CPU) or a torch device.
        dtype: "float32", "bfloat16", "float16", or "auto": float16 on a GPU; on a CPU float32,
            but bfloat16 for a large model if the CPU supports it.
        performance: how it runs, see `Performance`.
        settings: replace the registered or inferred settings.
        tuning: changes to the settings, LoRAs, and another autoencoder.

    Raises:
        UnknownModelError: no model of that name, or no file or folder of an added part.
        MissingModelError: the model's files are not on this machine.
        ModelFilesError: a part is missing or broken, or the parts do not fit together.
        UsageError: no such device, number format or performance, or a setting outside its range.
        MissingExtraError: a library for the model or the performance is not installed.
        StorageError: a file cannot be read; or layercast's cache cannot be written, only for adapters and runtimes that
            need a conversion.
    """
    files = find_files(name, tuning)
    chosen = settings or files.settings
    chosen = tuning.apply(chosen) if tuning else chosen
    place = choose_device(device)
    numbers = choose_dtype(dtype, place, files.checkpoint or files.denoiser)
    with quiet_libraries():
        model = replace(_load_parts(files, place, numbers, chosen), tuning=tuning)
    _check_fit(model)
    if files.reason:
        _log.info("%s: %s; %d steps, guidance %g", model.name, files.reason, chosen.steps, chosen.guidance)
    if Condition.EDGES not in {*model.adapters, *model.controlnets}:
        _log.warning("%s has no adapter for edges: it ignores that layer", model.name)
    if Condition.COLORS not in model.adapters:
        _log.info("%s has no adapter for colours: it follows that layer only roughly", model.name)
    return with_performance(model, performance)


def _load_parts(files: ModelFiles, place: torch.device, numbers: torch.dtype, settings: RenderSettings) -> Model:
    def load(kind: Any, folder: Path, part: str) -> Any:
        return load_module(kind, folder, part, place, numbers)

    parts = load_checkpoint(files, place, numbers) if files.checkpoint else _load_folders(files, place, numbers)
    if files.parts["vae"].is_file():
        parts["vae"] = load_vae_file(files, place, numbers)
    elif files.checkpoint and files.parts["vae"] != files.folder / "vae":
        parts["vae"] = load(autoencoder_class(files.parts["vae"]), files.parts["vae"], "vae")
    fuse_loras(parts, files.loras)
    parts["scheduler"] = choose_scheduler(parts["scheduler"], settings.solver, transformer="transformer" in parts)
    if "text_encoder_2" not in parts and "unet" in parts:
        _check_clip_skip(files.name, parts["text_encoder"], settings.clip_skip)
        shorten(parts["text_encoder"], settings.clip_skip)
    controlnets = _load_controlnets(files, parts, place, numbers)
    embed_guidance(parts["unet"], settings.guidance)
    preview_vae = load(AutoencoderTiny, files.preview_vae, "preview vae") if files.preview_vae else parts["vae"]
    return Model(
        name=files.name,
        settings=settings,
        device=place,
        dtype=numbers,
        preview_vae=preview_vae,
        adapters={
            condition: load(T2IAdapter, convert_to_safetensors(adapter), adapter.folder.name)
            for condition, adapter in files.adapters.items()
        },
        controlnets=controlnets,
        retrieval=RetrievalIndex.load(files.retrieval) if files.retrieval else None,
        restoration=_load_restorer(files.restoration, place) if files.restoration else None,
        fingerprint=_fingerprint(files),
        revision=revision_of(files.folder),
        recognised=files.reason,
        line_width=files.line_width,
        zero_empty_prompt=files.zero_empty_prompt,
        **parts,
    )


def _load_controlnets(
    files: ModelFiles, parts: dict[str, Any], place: torch.device, numbers: torch.dtype
) -> Mapping[Condition, Any]:
    """Load the ControlNets; a transformer, which has one for all conditions, takes it over and becomes the denoiser."""
    if "transformer" not in parts:
        return {
            condition: load_module(ControlNetModel, folder, folder.name, place, numbers)
            for condition, folder in files.controlnets.items()
        }
    transformer, source = parts.pop("transformer"), next(iter(files.controlnets.values()), None)
    controlnet = load_union_controlnet(source, transformer, place, numbers) if source else None
    parts["unet"] = TransformerDenoiser(transformer, controlnet)
    return dict.fromkeys((Condition.EDGES, Condition.SKELETON), controlnet) if controlnet else {}


def _load_folders(files: ModelFiles, place: torch.device, numbers: torch.dtype) -> dict[str, Any]:
    """Load the parts of a model in the hub's layout, by their names in diffusers' pipelines."""

    def load(kind: Any, part: str) -> Any:
        return load_module(kind, files.parts[part], part, place, numbers)

    parts = {}
    if not files.parts["vae"].is_file():
        parts["vae"] = load(autoencoder_class(files.parts["vae"]), "vae")
    parts["scheduler"] = load_scheduler(files.parts["scheduler"])
    if "transformer" in files.parts:
        return parts | load_transformer_parts(files.parts, place, numbers)
    parts |= {"unet": load(UNet2DConditionModel, "unet"), "text_encoder": load(CLIPTextModel, "text_encoder")}
    if "text_encoder_2" in files.parts:
        parts["text_encoder_2"] = load(CLIPTextModelWithProjection, "text_encoder_2")
    for tokenizer in ("tokenizer", "tokenizer_2"):
        if tokenizer in files.parts:
            parts[tokenizer] = load_guarded(tokenizer, files.parts[tokenizer], CLIPTokenizer.from_pretrained)
    return parts


def _fingerprint(files: ModelFiles) -> str:
    """Return a digest of everything that changes the weights."""
    weights = [files.checkpoint] if files.checkpoint else list(files.parts.values())
    if files.checkpoint and files.parts["vae"] != files.folder / "vae":
        weights.append(files.parts["vae"])
    further = [
        *(adapter.folder for adapter in files.adapters.values()),
        *files.controlnets.values(),
        *(lora.file for lora in files.loras),
        *(folder for folder in (files.preview_vae, files.retrieval, files.restoration) if folder),
    ]
    return fingerprint([*weights, *further], [lora.weight for lora in files.loras])


def _load_restorer(folder: Path, place: torch.device) -> Restorer:
    """Load a restoration network, and restore a small plane: the first one compiles functions, which takes seconds."""
    restorer = Restorer.load(folder, place)
    blank = np.zeros((3, _WARM_UP_SIDE, _WARM_UP_SIDE), np.float32)
    restorer.restore(Plane.of(blank, np.zeros(blank.shape, np.int8)))
    return restorer


def _check_fit(model: Model) -> None:
    """Check that the parts fit together; torch would fail later, during the first picture, with an unclear error."""
    unet: Any = model.unet.config
    encoders = [encoder for encoder in (model.text_encoder, model.text_encoder_2) if encoder is not None]
    width, depth = sum(encoder.config.hidden_size for encoder in encoders), model.vae.config.latent_channels
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
    if model.is_transformer:
        if model.settings.guidance > 1:
            raise UsageError(f"{model.name} is a distilled transformer, which runs without guidance; leave it at 1")
        return
    # "text" embeds the prompt, which every UNet gets.
    added = unet.addition_embed_type if unet.addition_embed_type != "text" else None
    if added != ("text_time" if model.text_encoder_2 is not None else None):
        raise ModelFilesError(f"{model.name} is not Stable Diffusion 1, 2 or XL: its unet needs further inputs")
    if model.text_encoder_2 is not None:
        for encoder in encoders:
            # The last layer of these is left out anyway.
            _check_clip_skip(model.name, encoder, model.settings.clip_skip + 1)


def _check_clip_skip(name: str, encoder: Any, skip: int) -> None:
    layers = int(encoder.config.num_hidden_layers)
    if skip >= max(layers, 2):
        raise UsageError(f"clip skip leaves nothing of the text encoder of {name}, which has {layers} layers")
