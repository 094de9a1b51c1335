"""Where on this machine the parts of a model lie. Loads no torch.

A model is a folder in the hub's layout, here or in the hub's cache:

    model_index.json  unet/  vae/  text_encoder/  tokenizer/  scheduler/
    text_encoder_2/  tokenizer_2/  t2iadapter_*/  controlnet_*/  preview_vae/  memory/      where there are any

A registered model may take parts from several hub repositories.
"""

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from layercast_common.errors import MissingModelError, ModelFilesError
from receiver.rendering.model_files.fingerprint import revision_of
from receiver.rendering.model_files.hub import TRUSTED_PICKLES, cached_folder, converted_folder, has_pickle, has_weights
from receiver.rendering.model_files.registry import REGISTRY, SD15_ADAPTERS, RegistryEntry, find_entry
from receiver.rendering.settings.settings import Condition, RenderSettings

logger = logging.getLogger(__name__)

#: Parts that every model has: subfolder -> its config; the first three have weights, too.
PARTS: Mapping[str, str] = {
    "unet": "config.json",
    "vae": "config.json",
    "text_encoder": "config.json",
    "tokenizer": "tokenizer_config.json",
    "scheduler": "scheduler_config.json",
}

#: Parts that larger models have besides.
MORE_PARTS: Mapping[str, str] = {"text_encoder_2": "config.json", "tokenizer_2": "tokenizer_config.json"}

#: A faster autoencoder for previews that lies in a model's own folder.
PREVIEW_VAE = "preview_vae"

#: Pictures that a model remembers, in its own folder; see `receiver.rendering.retrieval`.
MEMORY = "memory"

_WITH_WEIGHTS = ("unet", "vae", "text_encoder", "text_encoder_2")

#: What a subfolder `t2iadapter_NAME` or `controlnet_NAME` is for, by NAME, best first.
ADAPTER_NAMES: Mapping[Condition, tuple[str, ...]] = {
    Condition.EDGES: ("structure", "canny", "edges", "sketch"),
    Condition.COLORS: ("color", "colors", "texture"),
    Condition.SKELETON: ("openpose", "skeleton", "pose"),
}


@dataclass(frozen=True, slots=True)
class AdapterFiles:
    """Where one adapter lies.

    Attributes:
        folder: its config and weights.
        convert_to: set if the weights are a trusted pickle: the folder that they are to be kept in as safetensors.
    """

    folder: Path
    convert_to: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFiles:
    """Where the parts of one model lie on this machine.

    Attributes:
        name: what the model was asked for as.
        parts: folder of each part of `PARTS`, and of those of `MORE_PARTS` that are there.
        adapters: the adapters that are there.
        controlnets: folders of the ControlNets that are there.
        preview_vae: folder of a faster autoencoder, if there is one.
        memory: folder of the pictures that it remembers, if it remembers any.
        lora: folder of a LoRA to fuse, if the model has one.
        settings: how the model is used; None to infer it.
    """

    name: str
    parts: Mapping[str, Path]
    adapters: Mapping[Condition, AdapterFiles]
    controlnets: Mapping[Condition, Path]
    preview_vae: Path | None
    memory: Path | None
    lora: Path | None
    settings: RenderSettings | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """What a person wants to know of a registered model.

    Attributes:
        name: what to ask for it as.
        about: what it is.
        native: the long side that it draws best at, in pixels.
        folder: where its files are, or None.
        present: whether every part that it needs is on this machine.
        revision: the hub's revision of its own files, if they came from there.
    """

    name: str
    about: str
    native: int
    folder: Path | None
    present: bool
    revision: str | None


def list_models() -> list[ModelInfo]:
    """The registered models, and which of them are on this machine."""
    return [_info(name, entry) for name, entry in REGISTRY.items()]


def _info(name: str, entry: RegistryEntry) -> ModelInfo:
    try:
        folder = find_files(name).parts["unet"].parent
    except (MissingModelError, ModelFilesError):
        folder = None
    native = entry.settings.native if entry.settings else 0
    return ModelInfo(
        name=name,
        about=entry.about,
        native=native,
        folder=folder,
        present=folder is not None,
        revision=revision_of(folder) if folder else None,
    )


def find_files(name: str | Path) -> ModelFiles:
    """Find every part of a model on this machine; never asks the network.

    Args:
        name: a registered name, a local folder in the hub's layout, or a hub id.

    Raises:
        UnknownModelError: the name is none of these.
        MissingModelError: a registered model or a hub id that has not been fetched.
        ModelFilesError: a local folder that lacks a part.
    """
    entry = find_entry(name)
    base = entry.base if isinstance(entry.base, Path) else _base_folder(name, entry.base, entry.revision)
    lacking = _lacking(base)
    if lacking and isinstance(entry.base, Path):
        raise ModelFilesError(f"the model folder {base} lacks {', '.join(lacking)}")
    if lacking:
        raise _not_fetched(name)
    parts = {part: base / part for part in (*PARTS, *MORE_PARTS) if part in PARTS or (base / part).is_dir()}
    if entry.vae:
        parts["vae"] = _needed(name, entry.vae)
    adapters = _own_adapters(base) or _borrowed_adapters(base)
    for condition, hub_ids in entry.adapters.items():
        found = _first_adapter(hub_ids)
        if found is None:
            raise _not_fetched(name)
        adapters[condition] = found
    return ModelFiles(
        name=str(name),
        parts=parts,
        adapters=adapters,
        controlnets=_own_controlnets(base) | {c: _needed(name, hub_id) for c, hub_id in entry.controlnets.items()},
        preview_vae=cached_folder(entry.preview_vae) if entry.preview_vae else _own_preview_vae(base),
        memory=base / MEMORY if (base / MEMORY).is_dir() else None,
        lora=_needed(name, entry.lora) if entry.lora else None,
        settings=entry.settings,
    )


def _base_folder(name: str | Path, hub_id: str, revision: str | None) -> Path:
    """The base's folder, of the revision that is wanted if it is here, or else of any."""
    folder = cached_folder(hub_id, revision) or cached_folder(hub_id)
    if folder is None:
        raise _not_fetched(name)
    found = revision_of(folder)
    if revision and not (found or "").startswith(revision):
        logger.warning("revision %s of %s is not here; %s is taken", revision, hub_id, found or "what is here")
    return folder


def _lacking(base: Path) -> list[str]:
    parts = {**PARTS, **{part: config for part, config in MORE_PARTS.items() if (base / part).is_dir()}}
    configs = [f"{part}/{config}" for part, config in parts.items() if not (base / part / config).is_file()]
    weights = [f"{part}/*.safetensors" for part in _WITH_WEIGHTS if part in parts and not has_weights(base / part)]
    return configs + weights


def _own_adapters(base: Path) -> dict[Condition, AdapterFiles]:
    return {condition: AdapterFiles(folder) for condition, folder in _own_folders(base, "t2iadapter").items()}


def _own_controlnets(base: Path) -> dict[Condition, Path]:
    return _own_folders(base, "controlnet")


def _own_folders(base: Path, kind: str) -> dict[Condition, Path]:
    """The folder KIND_NAME of each condition that has one, by the best of its names."""
    found = {}
    for condition, names in ADAPTER_NAMES.items():
        folders = [base / f"{kind}_{name}" for name in names]
        present = [folder for folder in folders if (folder / "config.json").is_file()]
        if present:
            found[condition] = present[0]
    return found


def _own_preview_vae(base: Path) -> Path | None:
    folder = base / PREVIEW_VAE
    return folder if has_weights(folder) else None


def borrows_adapters(base: Path) -> bool:
    """Whether a model has no adapters of its own, but a UNet like Stable Diffusion 1.5's, whose adapters fit it."""
    try:
        unet = json.loads((base / "unet" / "config.json").read_bytes())
        widths = (unet["block_out_channels"], unet["cross_attention_dim"])
    except (OSError, ValueError, LookupError, TypeError):
        return False
    return widths == ([320, 640, 1280, 1280], 768) and not _own_adapters(base) and not _own_controlnets(base)


def _borrowed_adapters(base: Path) -> dict[Condition, AdapterFiles]:
    if not borrows_adapters(base):
        return {}
    found = {condition: _first_adapter(hub_ids) for condition, hub_ids in SD15_ADAPTERS.items()}
    return {condition: files for condition, files in found.items() if files}


def _first_adapter(hub_ids: Iterable[str]) -> AdapterFiles | None:
    return next((files for hub_id in hub_ids if (files := _hub_adapter(hub_id))), None)


def _hub_adapter(hub_id: str) -> AdapterFiles | None:
    converted = converted_folder(hub_id)
    if has_weights(converted):
        return AdapterFiles(converted)
    folder = cached_folder(hub_id)
    if folder is None:
        return None
    if has_weights(folder):
        return AdapterFiles(folder)
    trusted = hub_id in TRUSTED_PICKLES and has_pickle(folder)
    return AdapterFiles(folder, converted) if trusted else None


def _needed(name: str | Path, hub_id: str) -> Path:
    folder = cached_folder(hub_id)
    if folder is None:
        raise _not_fetched(name)
    return folder


def _not_fetched(name: str | Path) -> MissingModelError:
    return MissingModelError(f"the model {name} is not on this machine; get it with: layercast models fetch {name}")
