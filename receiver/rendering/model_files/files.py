"""Find the folders of a model's parts on this machine. Loads no torch.

A model is a folder in the hub's layout, local or in the hub's cache:

    model_index.json  unet/  vae/  text_encoder/  tokenizer/  scheduler/
    text_encoder_2/  tokenizer_2/  t2iadapter_*/  controlnet_*/  preview_vae/  restoration/  memory/      optional

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
from receiver.rendering.model_files.registry import SD15_ADAPTERS, find_entry
from receiver.rendering.settings.settings import Condition, RenderSettings

_log = logging.getLogger(__name__)

#: Parts that every model has: subfolder -> its config. The first three also have weights.
PARTS: Mapping[str, str] = {
    "unet": "config.json",
    "vae": "config.json",
    "text_encoder": "config.json",
    "tokenizer": "tokenizer_config.json",
    "scheduler": "scheduler_config.json",
}

#: Further parts of larger models.
MORE_PARTS: Mapping[str, str] = {"text_encoder_2": "config.json", "tokenizer_2": "tokenizer_config.json"}

#: Subfolder of a faster autoencoder for previews.
PREVIEW_VAE = "preview_vae"

#: Subfolder of the restoration network, see `receiver.rendering.restoration.restorer`.
RESTORATION_FOLDER = "restoration"

#: Subfolder of the retrieval index, see `receiver.rendering.retrieval`.
RETRIEVAL_FOLDER = "memory"

_WITH_WEIGHTS = ("unet", "vae", "text_encoder", "text_encoder_2")

#: The names in `t2iadapter_NAME` and `controlnet_NAME` that belong to each condition, best first.
ADAPTER_NAMES: Mapping[Condition, tuple[str, ...]] = {
    Condition.EDGES: ("structure", "canny", "edges", "sketch"),
    Condition.COLORS: ("color", "colors", "texture"),
    Condition.SKELETON: ("openpose", "skeleton", "pose"),
    Condition.TILE: ("tile",),
}


@dataclass(frozen=True, slots=True)
class AdapterFiles:
    """The files of one adapter.

    Attributes:
        folder: the folder of its config and weights.
        convert_to: the folder to save the weights to as safetensors, if they are a trusted pickle; else None.
    """

    folder: Path
    convert_to: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFiles:
    """The folders of one model's parts on this machine.

    Attributes:
        name: the name that the model was requested by.
        parts: folder of each part of `PARTS`, and of those of `MORE_PARTS` that exist.
        adapters: the adapters that exist.
        controlnets: folders of the ControlNets that exist.
        preview_vae: folder of a faster autoencoder, or None.
        retrieval: folder of the retrieval index, or None.
        restoration: folder of the restoration network, or None.
        lora: folder of a LoRA to fuse, or None.
        settings: the render settings; None to infer them.
    """

    name: str
    parts: Mapping[str, Path]
    adapters: Mapping[Condition, AdapterFiles]
    controlnets: Mapping[Condition, Path]
    preview_vae: Path | None
    retrieval: Path | None
    restoration: Path | None
    lora: Path | None
    settings: RenderSettings | None


def find_files(name: str | Path) -> ModelFiles:
    """Find every part of a model on this machine; never uses the network.

    Args:
        name: a registered name, a local folder in the hub's layout, or a hub id.

    Raises:
        UnknownModelError: the name is none of these.
        MissingModelError: the registered model or hub id has not been fetched.
        ModelFilesError: a part is missing in the local folder.
        MissingExtraError: the hub's client library is not installed.
    """
    entry = find_entry(name)
    base = entry.base if isinstance(entry.base, Path) else _base_folder(name, entry.base, entry.revision)
    missing = _missing_parts(base)
    if missing and isinstance(entry.base, Path):
        raise ModelFilesError(f"the model folder {base} lacks {', '.join(missing)}")
    if missing:
        raise _not_fetched(name)
    parts = {part: base / part for part in (*PARTS, *MORE_PARTS) if part in PARTS or (base / part).is_dir()}
    if entry.vae:
        parts["vae"] = _fetched_folder(name, entry.vae)
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
        controlnets=_own_controlnets(base)
        | {condition: _fetched_folder(name, hub_id) for condition, hub_id in entry.controlnets.items()},
        preview_vae=cached_folder(entry.preview_vae) if entry.preview_vae else _own_preview_vae(base),
        retrieval=_existing_folder(base / RETRIEVAL_FOLDER),
        restoration=_existing_folder(base / RESTORATION_FOLDER),
        lora=_fetched_folder(name, entry.lora) if entry.lora else None,
        settings=entry.settings,
    )


def _base_folder(name: str | Path, hub_id: str, revision: str | None) -> Path:
    """Return the base's folder: of the requested revision if it is cached, else of any revision."""
    folder = cached_folder(hub_id, revision) or cached_folder(hub_id)
    if folder is None:
        raise _not_fetched(name)
    found = revision_of(folder)
    if revision and not (found or "").startswith(revision):
        _log.warning(
            "revision %s of %s is not on this machine; using %s", revision, hub_id, found or "the cached files"
        )
    return folder


def _missing_parts(base: Path) -> list[str]:
    parts = {**PARTS, **{part: config for part, config in MORE_PARTS.items() if (base / part).is_dir()}}
    configs = [f"{part}/{config}" for part, config in parts.items() if not (base / part / config).is_file()]
    weights = [f"{part}/*.safetensors" for part in _WITH_WEIGHTS if part in parts and not has_weights(base / part)]
    return configs + weights


def _own_adapters(base: Path) -> dict[Condition, AdapterFiles]:
    return {condition: AdapterFiles(folder) for condition, folder in _own_folders(base, "t2iadapter").items()}


def _own_controlnets(base: Path) -> dict[Condition, Path]:
    return _own_folders(base, "controlnet")


def _own_folders(base: Path, kind: str) -> dict[Condition, Path]:
    """Return the folder KIND_NAME of each condition that has one, by the best of its names."""
    found = {}
    for condition, names in ADAPTER_NAMES.items():
        folders = [base / f"{kind}_{name}" for name in names]
        present = [folder for folder in folders if (folder / "config.json").is_file()]
        if present:
            found[condition] = present[0]
    return found


def _existing_folder(folder: Path) -> Path | None:
    return folder if folder.is_dir() else None


def _own_preview_vae(base: Path) -> Path | None:
    folder = base / PREVIEW_VAE
    return folder if has_weights(folder) else None


def borrows_adapters(base: Path) -> bool:
    """Return whether a model without adapters of its own can use those of Stable Diffusion 1.5: its UNet is alike."""
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


def _fetched_folder(name: str | Path, hub_id: str) -> Path:
    folder = cached_folder(hub_id)
    if folder is None:
        raise _not_fetched(name)
    return folder


def _not_fetched(name: str | Path) -> MissingModelError:
    return MissingModelError(f"the model {name} is not on this machine; fetch it with: layercast models fetch {name}")
