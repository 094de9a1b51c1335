"""Find the folders of a model's parts on this machine. Loads no torch.

A model is a folder in the hub's layout, local or in the hub's cache:

    model_index.json  unet/ or transformer/  vae/  text_encoder/  tokenizer/  scheduler/
    text_encoder_2/  tokenizer_2/  t2iadapter_*/  controlnet_*/  preview_vae/  restoration/  memory/      optional

A registered model may take parts from several hub repositories. A checkpoint, one file with all weights, takes its
configs and tokenizers from the repository of the model that it was made from.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from layercast_common.errors import MissingModelError, ModelFilesError
from receiver.rendering.model_files.adapters import (
    AdapterFiles,
    LoraFiles,
    cached_source,
    find_lora,
    find_vae,
    first_adapter,
    line_width,
    own_adapters,
    own_folders,
)
from receiver.rendering.model_files.checkpoints import CheckpointFacts, read_checkpoint
from receiver.rendering.model_files.fingerprint import revision_of
from receiver.rendering.model_files.hub import cached_folder, has_weights
from receiver.rendering.model_files.naming import find_entry
from receiver.rendering.model_files.recognition import family_of, recognise, zeroes_empty_prompts
from receiver.rendering.model_files.registry import REGISTRY, RegistryEntry
from receiver.rendering.settings.settings import Condition, RenderSettings
from receiver.rendering.settings.tuning import Tuning

_log = logging.getLogger(__name__)

P = TypeVar("P")

#: The part that denoises, of which a model has one.
DENOISERS = ("unet", "transformer")

#: Parts that every model has: subfolder -> its config.
PARTS: Mapping[str, str] = {
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

_WITH_WEIGHTS = (*DENOISERS, "vae", "text_encoder", "text_encoder_2")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFiles:
    """The folders of one model's parts on this machine.

    Attributes:
        name: the name that the model was requested by.
        folder: the model's own folder; of a checkpoint, that of its configs.
        parts: folder of the part that denoises, of each part of `PARTS`, and of those of `MORE_PARTS` that exist.
        adapters: the adapters that exist.
        controlnets: folders or files of the ControlNets that exist.
        preview_vae: folder of a faster autoencoder, or None.
        retrieval: folder of the retrieval index, or None.
        restoration: folder of the restoration network, or None.
        loras: LoRAs to fuse.
        settings: the render settings, registered or inferred.
        reason: why they were inferred; empty for registered names.
        checkpoint: the file that has all weights, or None.
        facts: what that file's index says, or None.
        line_width: thickness of lines for the model's edge adapter or ControlNet, in pixels; None for the usual one.
        zero_empty_prompt: whether an empty negative prompt becomes zeros, in models with two text encoders.
    """

    name: str
    folder: Path
    parts: Mapping[str, Path]
    adapters: Mapping[Condition, AdapterFiles]
    controlnets: Mapping[Condition, Path]
    preview_vae: Path | None
    retrieval: Path | None
    restoration: Path | None
    loras: tuple[LoraFiles, ...]
    settings: RenderSettings
    reason: str = ""
    checkpoint: Path | None = None
    facts: CheckpointFacts | None = None
    line_width: int | None = None
    zero_empty_prompt: bool = True

    @property
    def denoiser(self) -> Path:
        """The folder of the part that denoises."""
        return next(self.parts[part] for part in DENOISERS if part in self.parts)


def find_files(name: str | Path, tuning: Tuning | None = None) -> ModelFiles:
    """Find every part of a model on this machine; never uses the network.

    Args:
        name: a registered name, a local folder in the hub's layout, a checkpoint, or a hub id.
        tuning: adds LoRAs, or replaces the autoencoder.

    Raises:
        UnknownModelError: the name, or the source of an added part, is none of these.
        MissingModelError: the registered model or hub id has not been fetched.
        ModelFilesError: a part is missing or unreadable in the local folder.
        MissingExtraError: the hub's client library is not installed.
    """
    entry, facts = with_tuning(find_entry(name), tuning), None
    if isinstance(entry.base, Path) and entry.base.is_file():
        facts = read_checkpoint(entry.base)
        base = _base_folder(name, str(REGISTRY[facts.family].base), None)
    else:
        base = entry.base if isinstance(entry.base, Path) else _base_folder(name, entry.base, entry.revision)
    missing = missing_parts(base, weights=facts is None)
    if missing and isinstance(entry.base, Path) and facts is None:
        raise ModelFilesError(f"the model folder {base} lacks {', '.join(missing)}")
    if missing:
        raise _not_fetched(name)
    parts = {part: base / part for part in (denoiser_of(base), *PARTS)}
    parts |= {part: base / part for part in MORE_PARTS if (base / part).is_dir()}
    recognised = None if entry.settings else recognise(str(name), parts)
    if entry.vae:
        vae = find_vae(entry.vae)
        # Under its hub id a registered model also works without the parts that layercast adds to it.
        parts["vae"] = vae or parts["vae"] if entry.reason and not (tuning and tuning.vae) else _found(name, vae)
    family = family_of(base) if not entry.adapters and not entry.controlnets else None
    adapters, controlnets = _find_conditions(name, entry, base, family)
    return ModelFiles(
        name=str(name),
        folder=base,
        parts=parts,
        adapters=adapters,
        controlnets=controlnets,
        preview_vae=_find_preview_vae(entry if entry.preview_vae or family is None else family, base),
        retrieval=_existing_folder(base / RETRIEVAL_FOLDER),
        restoration=_existing_folder(base / RESTORATION_FOLDER),
        loras=tuple(_found(name, find_lora(lora)) for lora in entry.loras),
        settings=recognised.settings if recognised else _settings_of(entry),
        reason=f"{entry.reason}: {recognised.reason}" if recognised else entry.reason,
        checkpoint=entry.base if facts and isinstance(entry.base, Path) else None,
        facts=facts,
        line_width=_line_width(adapters, entry, controlnets),
        zero_empty_prompt=zeroes_empty_prompts(base),
    )


def with_tuning(entry: RegistryEntry, tuning: Tuning | None) -> RegistryEntry:
    """Return an entry with a user's LoRAs and autoencoder."""
    if tuning is None:
        return entry
    return replace(entry, loras=(*entry.loras, *tuning.loras), vae=tuning.vae or entry.vae)


def denoiser_of(base: Path) -> str:
    """Return the name of the part that denoises in a model's folder; "unet" if there is none."""
    return next((part for part in DENOISERS if (base / part).is_dir()), "unet")


def missing_parts(base: Path, *, weights: bool = True) -> list[str]:
    """Return the configs, and the weights unless they come from a checkpoint, that a model's folder lacks."""
    parts = {denoiser_of(base): "config.json", **PARTS}
    parts |= {part: config for part, config in MORE_PARTS.items() if (base / part).is_dir()}
    lacking = [f"{part}/{config}" for part, config in parts.items() if not (base / part / config).is_file()]
    with_weights = [part for part in _WITH_WEIGHTS if part in parts and weights]
    return lacking + [f"{part}/*.safetensors" for part in with_weights if not has_weights(base / part)]


def _settings_of(entry: RegistryEntry) -> RenderSettings:
    assert entry.settings is not None
    return entry.settings


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


def _find_conditions(
    name: str | Path, entry: RegistryEntry, base: Path, family: RegistryEntry | None
) -> tuple[dict[Condition, AdapterFiles], dict[Condition, Path]]:
    """Return the adapters and ControlNets: the model's own, those of its entry, or those of a model that is alike."""
    adapters = own_adapters(base)
    optional = (family or entry).adapters if family or entry.reason else {}
    for condition, hub_ids in (optional or entry.adapters).items():
        if found := first_adapter(hub_ids):
            adapters[condition] = found
        elif not optional:
            raise _not_fetched(name)
    controlnets = own_folders(base, "controlnet")
    for condition, source in entry.controlnets.items():
        controlnets[condition] = _found(name, cached_source(source))
    return adapters, controlnets


def _line_width(
    adapters: Mapping[Condition, AdapterFiles], entry: RegistryEntry, controlnets: Mapping[Condition, Path]
) -> int | None:
    if adapter := adapters.get(Condition.EDGES):
        return adapter.line_width
    registered = entry.controlnets.get(Condition.EDGES)
    found = controlnets.get(Condition.EDGES)
    return line_width(registered or found.name) if found else None


def _find_preview_vae(entry: RegistryEntry, base: Path) -> Path | None:
    own, shared = base / PREVIEW_VAE, cached_folder(entry.preview_vae) if entry.preview_vae else None
    return next((folder for folder in (shared, own) if folder and has_weights(folder)), None)


def _existing_folder(folder: Path) -> Path | None:
    return folder if folder.is_dir() else None


def _found(name: str | Path, place: P | None) -> P:
    if place is None:
        raise _not_fetched(name)
    return place


def _not_fetched(name: str | Path) -> MissingModelError:
    return MissingModelError(f"the model {name} is not on this machine; fetch it with: layercast models fetch {name}")
