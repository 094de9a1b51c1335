"""Find adapters, ControlNets, LoRAs and replaced autoencoders on this machine. Loads no torch."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from layercast_common.errors import ModelFilesError, UnknownModelError
from receiver.rendering.model_files.hub import (
    TRUSTED_PICKLES,
    cached_folder,
    converted_folder,
    has_pickle,
    has_weights,
    newest_snapshot,
)
from receiver.rendering.model_files.registry import LINE_WIDTHS
from receiver.rendering.settings.additions import Lora
from receiver.rendering.settings.settings import Condition

#: The names in `t2iadapter_NAME` and `controlnet_NAME` that belong to each condition, best first.
ADAPTER_NAMES: Mapping[Condition, tuple[str, ...]] = {
    Condition.EDGES: ("structure", "canny", "edges", "sketch"),
    Condition.COLORS: ("color", "colors", "texture"),
    Condition.SKELETON: ("openpose", "skeleton", "pose"),
    Condition.TILE: ("tile",),
}

#: The usual name of a LoRA's file.
LORA_FILE = "pytorch_lora_weights.safetensors"


@dataclass(frozen=True, slots=True)
class AdapterFiles:
    """The files of one adapter.

    Attributes:
        folder: the folder of its config and weights.
        convert_to: the folder to save the weights to as safetensors, if they are a trusted pickle; else None.
        line_width: thickness of the lines that it was trained on, in pixels; None for the usual one.
    """

    folder: Path
    convert_to: Path | None = None
    line_width: int | None = None


@dataclass(frozen=True, slots=True)
class LoraFiles:
    """One LoRA on this machine.

    Attributes:
        file: its weights.
        weight: their factor.
    """

    file: Path
    weight: float


def own_adapters(base: Path) -> dict[Condition, AdapterFiles]:
    """Return the adapters in a model's own folder."""
    found = own_folders(base, "t2iadapter")
    return {condition: AdapterFiles(folder, None, line_width(folder.name)) for condition, folder in found.items()}


def own_folders(base: Path, kind: str) -> dict[Condition, Path]:
    """Return the folder KIND_NAME of each condition that has one, by the best of its names."""
    found = {}
    for condition, names in ADAPTER_NAMES.items():
        folders = [base / f"{kind}_{name}" for name in names]
        present = [folder for folder in folders if (folder / "config.json").is_file()]
        if present:
            found[condition] = present[0]
    return found


def line_width(name: str) -> int | None:
    """Return the thickness of lines that an adapter of this name was trained on; None for the usual one."""
    return next((width for word, width in LINE_WIDTHS.items() if word in name.lower()), None)


def first_adapter(hub_ids: Iterable[str]) -> AdapterFiles | None:
    """Return the first adapter that is in the hub's cache."""
    return next((files for hub_id in hub_ids if (files := _hub_adapter(hub_id))), None)


def _hub_adapter(hub_id: str) -> AdapterFiles | None:
    converted, width = converted_folder(hub_id), line_width(hub_id)
    if has_weights(converted):
        return AdapterFiles(converted, None, width)
    folder = cached_folder(hub_id)
    if folder is None:
        return None
    if has_weights(folder):
        return AdapterFiles(folder, None, width)
    trusted = hub_id in TRUSTED_PICKLES and has_pickle(folder)
    return AdapterFiles(folder, converted, width) if trusted else None


def split_file(source: str) -> tuple[str, str | None]:
    """Split OWNER/NAME/FILE into hub id and the file's path in the repository, which is None if there is none."""
    parts = source.split("/", 2)
    return "/".join(parts[:2]), parts[2] if len(parts) > 2 else None


def cached_source(source: str) -> Path | None:
    """Return the folder of OWNER/NAME, or the file of OWNER/NAME/FILE, in the hub's cache; None if it is not there."""
    hub_id, file = split_file(source)
    folder = cached_folder(hub_id, file=file)
    return folder / file if folder and file else folder


def find_lora(lora: Lora) -> LoraFiles | None:
    """Find a LoRA's file on this machine; None if it would have to be fetched.

    Raises:
        UnknownModelError: the source is a path, and nothing is there.
        ModelFilesError: a folder holds no LoRA, or several.
    """
    place = Path(lora.source).expanduser()
    if place.is_file():
        return LoraFiles(place, lora.weight)
    if place.is_dir():
        return LoraFiles(place / choose_lora([path.name for path in place.glob("*.safetensors")], place), lora.weight)
    if not is_hub_id(lora.source):
        raise UnknownModelError(f"there is no LoRA at {lora.source}; give a file, a folder or a hub id OWNER/NAME")
    folder = cached_folder(lora.source, file=lora.file) if lora.file else newest_snapshot(lora.source)
    if folder is None:
        return None
    names = [path.name for path in folder.glob("*.safetensors")]
    file = lora.file or (choose_lora(names, lora.source) if names else None)
    return LoraFiles(folder / file, lora.weight) if file and (folder / file).is_file() else None


def choose_lora(names: Collection[str], source: object) -> str:
    """Choose the LoRA among the safetensors files of a folder or repository.

    Raises:
        ModelFilesError: there is none, or several and none has the usual name.
    """
    weights = sorted(name for name in names if name.endswith(".safetensors"))
    if LORA_FILE in weights or len(weights) == 1:
        return LORA_FILE if LORA_FILE in weights else weights[0]
    if not weights:
        raise ModelFilesError(f"{source} has no LoRA in safetensors form")
    raise ModelFilesError(f"{source} has several files; name one, as in {source}/{weights[0]}")


def find_vae(source: str) -> Path | None:
    """Find an autoencoder on this machine: a file, a folder, or None if it would have to be fetched.

    Raises:
        UnknownModelError: the source is a path, and nothing is there.
        ModelFilesError: the folder holds no autoencoder.
    """
    place = Path(source).expanduser()
    if place.is_file():
        return place
    if place.is_dir():
        found = _vae_in(place)
        if found is None:
            raise ModelFilesError(f"{place} has no autoencoder: config.json and safetensors, there or in vae/")
        return found
    if not is_hub_id(source):
        raise UnknownModelError(f"there is no autoencoder at {source}; give a file, a folder or a hub id OWNER/NAME")
    folder = cached_folder(source)
    return _vae_in(folder) if folder else None


def _vae_in(folder: Path) -> Path | None:
    for place in (folder, folder / "vae"):
        if (place / "config.json").is_file() and has_weights(place):
            return place
    return None


def is_hub_id(source: str) -> bool:
    """Return whether a source that is no path on this machine can be OWNER/NAME on the hub."""
    owner, slash, name = source.partition("/")
    path = "/" in name or owner in ("", ".", "..", "~") or source.endswith(".safetensors")
    return bool(slash and name) and not path and not Path(owner).is_dir()
