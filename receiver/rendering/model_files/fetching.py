"""Fetch models from the hub. The only module of the renderer that uses the network.

A fetch is planned first: which files of which repositories, and how large they are. Downloads show their progress on
stderr, resume where they stopped, and start only if the disk has enough free space.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from layercast_common.errors import MissingExtraError, MissingModelError, ModelFilesError
from receiver.rendering.model_files.adapters import (
    ADAPTER_NAMES,
    choose_lora,
    find_lora,
    find_vae,
    split_file,
)
from receiver.rendering.model_files.checkpoints import read_checkpoint
from receiver.rendering.model_files.downloads import Download, Fetched, FetchPlan, Repository, check_disk_space
from receiver.rendering.model_files.files import (
    DENOISERS,
    MORE_PARTS,
    PARTS,
    PREVIEW_VAE,
    RESTORATION_FOLDER,
    find_files,
    with_tuning,
)
from receiver.rendering.model_files.fingerprint import revision_of
from receiver.rendering.model_files.hub import TRUSTED_PICKLES, choose_files
from receiver.rendering.model_files.hub_errors import explain_hub_error, offline
from receiver.rendering.model_files.naming import find_entry
from receiver.rendering.model_files.recognition import family_of
from receiver.rendering.model_files.registry import REGISTRY, RegistryEntry
from receiver.rendering.settings.tuning import Tuning

_log = logging.getLogger(__name__)

#: Timeout for the hub's list of a repository's files, in seconds.
TIMEOUT = 20.0

#: The folders of a model's own repository whose weights are loaded.
_BASE_PARTS = (
    *DENOISERS,
    *PARTS,
    *MORE_PARTS,
    PREVIEW_VAE,
    RESTORATION_FOLDER,
    *(f"{kind}_{name}" for kind in ("t2iadapter", "controlnet") for names in ADAPTER_NAMES.values() for name in names),
)


def fetch_model(name: str | Path, tuning: Tuning | None = None, *, half: bool = True) -> Fetched:
    """Download what a model needs into the hub's cache: `plan_fetch` and `fetch_planned`."""
    return fetch_planned(plan_fetch(name, tuning, half=half))


def plan_fetch(name: str | Path, tuning: Tuning | None = None, *, half: bool = True) -> FetchPlan:
    """Find out what a model needs from the hub. Only the config of an unregistered model's UNet is downloaded.

    Args:
        name: a registered name or a hub id; "@" and a revision may follow. For a local folder or a checkpoint, only
            what it lacks is fetched.
        tuning: adds LoRAs, or replaces the autoencoder.
        half: whether to fetch weights in half precision where they exist, which is what a GPU runs in; otherwise full
            precision where it exists.

    Raises:
        UnknownModelError: no model of that name, here or on the hub.
        MissingModelError: the hub cannot be reached.
        ModelFilesError: a repository lacks a file that is needed.
        MissingExtraError: the hub's client library is not installed.
    """
    try:
        from huggingface_hub import constants
    except ImportError as error:
        raise MissingExtraError("fetching a model", "render") from error
    if constants.is_offline_mode():
        _check_offline(name, tuning)
        return FetchPlan(name=str(name), tuning=tuning, downloads=())
    entry = with_tuning(find_entry(name), tuning)
    downloads = [_describe(repository, half=half) for repository in dict.fromkeys(_repositories(entry))]
    family = _family(entry) if not entry.adapters and not entry.controlnets else None
    if family:
        shared = [*(hub_ids[0] for hub_ids in family.adapters.values()), family.preview_vae]
        downloads += [_describe(Repository(hub_id=hub_id), half=half) for hub_id in shared if hub_id]
    return FetchPlan(name=str(name), tuning=tuning, downloads=tuple(downloads))


def fetch_planned(plan: FetchPlan) -> Fetched:
    """Download what was planned.

    Returns:
        The folder of the model's own files, and the revision of every repository that the model consists of.

    Raises:
        MissingModelError: the hub cannot be reached, or the disk has too little free space.
        ModelFilesError: the repository holds no model that layercast can use.
        StorageError: the cache cannot be written.
    """
    from huggingface_hub import constants

    check_disk_space(plan.downloads, Path(constants.HF_HUB_CACHE))
    revisions = {}
    for download in plan.downloads:
        revisions[download.hub_id] = revision_of(_fetch(download)) or download.revision
    try:
        folder = find_files(plan.name, plan.tuning).folder
    except MissingModelError as error:
        raise ModelFilesError(f"{plan.name} has no complete Stable Diffusion model in safetensors form") from error
    return Fetched(folder, revisions)


def _repositories(entry: RegistryEntry) -> list[Repository]:
    """Return what to fetch for an entry, apart from adapters that an unregistered model shares with others."""
    found = []
    if isinstance(entry.base, str):
        found.append(
            Repository(hub_id=entry.base, parts=_BASE_PARTS, files=("model_index.json",), revision=entry.revision)
        )
    elif entry.base.is_file():
        base = REGISTRY[read_checkpoint(entry.base).family].base
        configs = (*DENOISERS, *PARTS, *MORE_PARTS)
        found.append(Repository(hub_id=str(base), parts=configs, files=("model_index.json",), weights=False))
    found += [Repository(hub_id=hub_ids[0]) for hub_ids in entry.adapters.values()]
    for source in entry.controlnets.values():
        hub_id, file = split_file(source)
        found.append(Repository(hub_id=hub_id, parts=(), files=(file,)) if file else Repository(hub_id=hub_id))
    if entry.preview_vae:
        found.append(Repository(hub_id=entry.preview_vae))
    # Looking for local files checks that they exist.
    if entry.vae and (find_vae(entry.vae) is None or not Path(entry.vae).expanduser().exists()):
        found.append(Repository(hub_id=entry.vae, parts=("", "vae")))
    for lora in entry.loras:
        if find_lora(lora) is None or not Path(lora.source).expanduser().exists():
            found.append(Repository(hub_id=lora.source, parts=(), files=(lora.file,) if lora.file else (), lora=True))
    return found


def _family(entry: RegistryEntry) -> RegistryEntry | None:
    """Return the registered model whose adapters an unregistered one can use."""
    if isinstance(entry.base, Path):
        return REGISTRY[read_checkpoint(entry.base).family] if entry.base.is_file() else family_of(entry.base)
    from huggingface_hub import hf_hub_download

    try:
        config = hf_hub_download(entry.base, "unet/config.json", revision=entry.revision)
    # A repository without that file is no Stable Diffusion; other errors come again when its files are listed.
    except Exception as error:
        _log.info("%s has no config of a UNet: %s", entry.base, error)
        return None
    return family_of(Path(config).parents[1])


def _check_offline(name: str | Path, tuning: Tuning | None) -> None:
    try:
        find_files(name, tuning)
    except MissingModelError as error:
        raise offline(str(name)) from error


def _describe(repository: Repository, *, half: bool) -> Download:
    from huggingface_hub import HfApi, try_to_load_from_cache

    hub_id = repository.hub_id
    try:
        # Not `list_repo_files`: without a connection it retries for 23 s before it raises an error.
        about = HfApi().model_info(hub_id, revision=repository.revision, timeout=TIMEOUT, files_metadata=True)
    # The hub's client documents no error types: they come from its HTTP library, which differs between versions.
    except Exception as error:
        raise explain_hub_error(error, hub_id, repository.revision) from error
    sizes = {file.rfilename: file.size or 0 for file in about.siblings or ()}
    files = _choose(repository, list(sizes), half=half)
    commit = about.sha or ""
    cached = [name for name in files if isinstance(try_to_load_from_cache(hub_id, name, revision=commit), str)]
    return Download(
        hub_id=hub_id,
        revision=commit,
        requested=repository.revision,
        files=tuple(files),
        size=sum(sizes[name] for name in files),
        missing=sum(sizes[name] for name in files if name not in cached),
        skipped=sum(sizes.values()) - sum(sizes[name] for name in files),
    )


def _choose(repository: Repository, names: Sequence[str], *, half: bool) -> list[str]:
    files = list(repository.files)
    if repository.lora and not files:
        files = [choose_lora([name for name in names if "/" not in name], repository.hub_id)]
    lacking = [name for name in files if name not in names and name != "model_index.json"]
    if lacking:
        raise ModelFilesError(f"{repository.hub_id} has no file {lacking[0]}")
    pickle = repository.hub_id in TRUSTED_PICKLES
    chosen = choose_files(names, repository.parts, pickle=pickle, half=half, weights=repository.weights)
    return sorted({*chosen, *(name for name in files if name in names)})


def _fetch(download: Download) -> Path:
    from huggingface_hub import snapshot_download

    _log.info("fetching %s: %.1f of %.1f GB", download.hub_id, download.missing / 1e9, download.size / 1e9)
    try:
        return Path(
            snapshot_download(
                download.hub_id, revision=download.requested, allow_patterns=[_literal(name) for name in download.files]
            )
        )
    except Exception as error:
        raise explain_hub_error(error, download.hub_id, download.requested) from error


def _literal(name: str) -> str:
    """Return the pattern that matches a file's name only."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)
