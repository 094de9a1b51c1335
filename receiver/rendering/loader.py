"""Load a model from folders on this machine, for one way of running it."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderTiny, ControlNetModel, T2IAdapter, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from codec.wavelet.plane import Plane
from layercast_common.errors import ModelFilesError
from receiver.rendering.backends.choice import with_performance
from receiver.rendering.model_files.files import ModelFiles, find_files
from receiver.rendering.model_files.fingerprint import fingerprint, revision_of
from receiver.rendering.models.devices import choose_device, choose_dtype
from receiver.rendering.models.model import Model, pixels_per_latent
from receiver.rendering.models.parts import (
    autoencoder_class,
    convert_to_safetensors,
    fuse_lora,
    load_guarded,
    load_module,
    load_scheduler,
    quiet_libraries,
)
from receiver.rendering.models.schedules import choose_scheduler, infer_settings
from receiver.rendering.restoration.restorer import Restorer
from receiver.rendering.retrieval import RetrievalIndex
from receiver.rendering.settings.settings import Condition, RenderSettings, Tuning

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
        name: a registered name, a local folder in the hub's layout, or a hub id in the hub's cache.
        device: "auto" (CUDA, else Apple's GPU, else the CPU) or a torch device.
        dtype: "float32", "bfloat16", "float16", or "auto": float16 on a GPU; on a CPU float32,
            but bfloat16 for a large model if the CPU supports it.
        performance: how it runs, see `Performance`.
        settings: replace the registered or inferred settings.
        tuning: changes to the settings.

    Raises:
        UnknownModelError: no model of that name.
        MissingModelError: the model's files are not on this machine.
        ModelFilesError: a part is missing or broken, or the parts do not fit together.
        UsageError: no such device, number format or performance, or a setting outside its range.
        MissingExtraError: a library for the model or the performance is not installed.
        StorageError: layercast's cache cannot be written; only for adapters and runtimes that need a conversion.
    """
    files = find_files(name)
    place = choose_device(device)
    numbers = choose_dtype(dtype, place, files.parts["unet"])
    with quiet_libraries():
        model = _load_parts(files, place, numbers, settings)
    _check_fit(model)
    if Condition.EDGES not in {*model.adapters, *model.controlnets}:
        _log.warning("%s has no adapter for edges: it ignores that layer", model.name)
    if Condition.COLORS not in model.adapters:
        _log.info("%s has no adapter for colours: it follows that layer only roughly", model.name)
    if tuning:
        model = replace(model, settings=tuning.apply(model.settings))
    return with_performance(model, performance)


def _load_parts(files: ModelFiles, place: torch.device, numbers: torch.dtype, settings: RenderSettings | None) -> Model:

    def load(kind: Any, folder: Path, part: str) -> Any:
        return load_module(kind, folder, part, place, numbers)

    unet = load(UNet2DConditionModel, files.parts["unet"], "unet")
    if files.lora:
        fuse_lora(unet, files.lora)
    vae = load(autoencoder_class(files.parts["vae"]), files.parts["vae"], "vae")
    second = "text_encoder_2" in files.parts
    preview_vae = load(AutoencoderTiny, files.preview_vae, "preview vae") if files.preview_vae else vae
    own_scheduler = load_scheduler(files.parts["scheduler"])
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
        tokenizer=load_guarded("tokenizer", files.parts["tokenizer"], CLIPTokenizer.from_pretrained),
        scheduler=choose_scheduler(own_scheduler, settings.solver),
        adapters={
            condition: load(T2IAdapter, convert_to_safetensors(adapter), adapter.folder.name)
            for condition, adapter in files.adapters.items()
        },
        controlnets={
            condition: load(ControlNetModel, folder, folder.name) for condition, folder in files.controlnets.items()
        },
        retrieval=RetrievalIndex.load(files.retrieval) if files.retrieval else None,
        restoration=_load_restorer(files.restoration, place) if files.restoration else None,
        text_encoder_2=load(CLIPTextModelWithProjection, files.parts["text_encoder_2"], "text_encoder_2")
        if second
        else None,
        tokenizer_2=load_guarded("tokenizer_2", files.parts["tokenizer_2"], CLIPTokenizer.from_pretrained)
        if second
        else None,
        fingerprint=fingerprint(
            [
                *files.parts.values(),
                *(adapter.folder for adapter in files.adapters.values()),
                *(folder for folder in (files.retrieval, files.restoration) if folder),
            ]
        ),
        revision=revision_of(files.parts["unet"].parent),
    )


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
    # "text" embeds the prompt, which every UNet gets.
    added = unet.addition_embed_type if unet.addition_embed_type != "text" else None
    if added != ("text_time" if model.text_encoder_2 is not None else None):
        raise ModelFilesError(f"{model.name} is not Stable Diffusion 1, 2 or XL: its unet needs further inputs")
