"""Fetch models from the hub. The only module of the renderer that uses the network.

Downloads show their progress on stderr, resume where they stopped, and start only if the disk has enough free space.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from layercast_common.errors import MissingExtraError, MissingModelError, ModelFilesError, UnknownModelError
from receiver.rendering.model_files.downloads import Download, Fetched, check_disk_space
from receiver.rendering.model_files.files import (
    ADAPTER_NAMES,
    MORE_PARTS,
    PARTS,
    PREVIEW_VAE,
    RESTORATION_FOLDER,
    borrows_adapters,
    find_files,
)
from receiver.rendering.model_files.fingerprint import revision_of
from receiver.rendering.model_files.hub import TRUSTED_PICKLES, cached_folder, choose_files
from receiver.rendering.model_files.registry import SD15_ADAPTERS, RegistryEntry, find_entry

_log = logging.getLogger(__name__)

#: Timeout for the hub's list of a repository's files, in seconds.
TIMEOUT = 20.0


def fetch_model(name: str | Path) -> Fetched:
    """Download what a model needs into the hub's cache.

    Args:
        name: a registered name or a hub id; "@" and a revision may follow. For a local folder, only the adapters that
            it lacks are fetched.

    Returns:
        The folder of the model's own files, and the revision of every repository that the model consists of.

    Raises:
        UnknownModelError: no model of that name, here or on the hub.
        MissingModelError: the hub cannot be reached, or the disk has too little free space.
        ModelFilesError: the repository holds no model that layercast can use.
        MissingExtraError: the hub's client library is not installed.
    """
    entry = find_entry(name)
    revisions = _fetch_all(_repositories(entry))
    base = entry.base if isinstance(entry.base, Path) else cached_folder(entry.base, entry.revision)
    if base and not entry.adapters and borrows_adapters(base):
        revisions |= _fetch_all([(hub_ids[0], [""], None) for hub_ids in SD15_ADAPTERS.values()])
    try:
        folder = find_files(name).parts["unet"].parent
    except MissingModelError as error:
        raise ModelFilesError(f"{name} has no complete Stable Diffusion model in safetensors form") from error
    return Fetched(folder, revisions)


def _repositories(entry: RegistryEntry) -> list[tuple[str, list[str], str | None]]:
    """Return the repositories of an entry: hub id, subfolders to fetch, revision."""
    found: list[tuple[str, list[str], str | None]] = []
    if isinstance(entry.base, str):
        names = [name for names in ADAPTER_NAMES.values() for name in names]
        more = [f"{kind}_{name}" for kind in ("t2iadapter", "controlnet") for name in names]
        found.append((entry.base, ["", *PARTS, *MORE_PARTS, PREVIEW_VAE, RESTORATION_FOLDER, *more], entry.revision))
    others = [hub_ids[0] for hub_ids in entry.adapters.values()]
    others += [hub_id for hub_id in (*entry.controlnets.values(), entry.vae, entry.preview_vae, entry.lora) if hub_id]
    return found + [(hub_id, [""], None) for hub_id in others]


def _fetch_all(repositories: Sequence[tuple[str, list[str], str | None]]) -> dict[str, str]:
    """Fetch repositories, after checking the size of all of them; return the revision of each."""
    from huggingface_hub import constants

    downloads = [_describe(*repository) for repository in repositories]
    check_disk_space(downloads, Path(constants.HF_HUB_CACHE))
    revisions = {}
    for download, (_, _, revision) in zip(downloads, repositories, strict=True):
        folder = _fetch(download, revision)
        revisions[download.hub_id] = revision_of(folder) or download.revision
    return revisions


def _describe(hub_id: str, parts: list[str], revision: str | None) -> Download:
    try:
        from huggingface_hub import HfApi, try_to_load_from_cache
        from huggingface_hub.errors import RepositoryNotFoundError
    except ImportError as error:
        raise MissingExtraError("fetching a model", "render") from error
    try:
        # Not `list_repo_files`: without a connection it retries for 23 s before it raises an error.
        about = HfApi().model_info(hub_id, revision=revision, timeout=TIMEOUT, files_metadata=True)
    except RepositoryNotFoundError as error:
        raise UnknownModelError(f"the hub has no model {hub_id}, or shows it only after a login") from error
    # The hub's client documents no error types: they come from its HTTP library, which differs between versions.
    except Exception as error:
        raise _unreachable(hub_id, error) from error
    sizes = {file.rfilename: file.size or 0 for file in about.siblings or ()}
    files = choose_files(list(sizes), parts, pickle=hub_id in TRUSTED_PICKLES)
    commit = about.sha or ""
    cached = [name for name in files if isinstance(try_to_load_from_cache(hub_id, name, revision=commit), str)]
    return Download(
        hub_id=hub_id,
        revision=commit,
        files=tuple(files),
        size=sum(sizes[name] for name in files),
        missing=sum(sizes[name] for name in files if name not in cached),
    )


def _fetch(download: Download, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download

    _log.info("fetching %s: %.1f of %.1f GB", download.hub_id, download.missing / 1e9, download.size / 1e9)
    try:
        return Path(snapshot_download(download.hub_id, revision=revision, allow_patterns=list(download.files)))
    except Exception as error:
        raise _unreachable(download.hub_id, error) from error


def _unreachable(hub_id: str, error: Exception) -> MissingModelError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return MissingModelError(
        f"cannot fetch {hub_id} from the hub: {reason}; check the connection and try again: the download resumes"
    )
