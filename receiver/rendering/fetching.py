"""Bringing a model to this machine: the only place that asks the network."""

import logging
from pathlib import Path

from layercast_errors import MissingExtraError, MissingModelError, ModelFilesError, UnknownModelError
from receiver.rendering.files import ADAPTER_NAMES, PARTS, borrows_adapters, find_files
from receiver.rendering.hub import TRUSTED_PICKLES, cached_folder, choose_files
from receiver.rendering.registry import SD15_ADAPTERS, find_entry

logger = logging.getLogger(__name__)

#: How long the hub may take to tell which files a repository has, in seconds.
TIMEOUT = 20.0


def fetch_model(name: str | Path) -> Path:
    """Download what a model needs into the hub's cache; progress goes to stderr.

    Args:
        name: a registered name or a hub id; for a local folder only adapters that it may lack.

    Returns:
        The folder of the model's own files.

    Raises:
        UnknownModelError: no model of that name, here or on the hub.
        MissingModelError: the hub cannot be reached.
        ModelFilesError: what came is not a model that layercast can use.
    """
    entry = find_entry(name)
    if isinstance(entry.base, str):
        adapters = [f"t2iadapter_{kind}" for kinds in ADAPTER_NAMES.values() for kind in kinds]
        _fetch(entry.base, ["", *PARTS, *adapters])
    wanted = entry.adapters
    base = entry.base if isinstance(entry.base, Path) else cached_folder(entry.base)
    if base and not wanted and borrows_adapters(base):
        wanted = SD15_ADAPTERS
    for hub_ids in wanted.values():
        _fetch(hub_ids[0], [""])
    for hub_id in (entry.vae, entry.preview_vae, entry.lora):
        if hub_id:
            _fetch(hub_id, [""])
    try:
        return find_files(name).parts["unet"].parent
    except MissingModelError as error:
        raise ModelFilesError(f"{name} has no complete Stable Diffusion model in safetensors form") from error


def _fetch(hub_id: str, parts: list[str]) -> None:
    try:
        from huggingface_hub import HfApi, snapshot_download
        from huggingface_hub.errors import RepositoryNotFoundError
    except ImportError as error:
        raise MissingExtraError("fetching a model", "render") from error
    try:
        # Not `list_repo_files`: that one tries for 23 s before it says that there is no connection.
        about = HfApi().model_info(hub_id, timeout=TIMEOUT)
        names = [file.rfilename for file in about.siblings or ()]
        wanted = choose_files(names, parts, pickle=hub_id in TRUSTED_PICKLES)
        logger.info("fetching %s", hub_id)
        snapshot_download(hub_id, allow_patterns=wanted)
    except RepositoryNotFoundError as error:
        raise UnknownModelError(f"the hub has no model {hub_id}, or does not show it without a login") from error
    # The hub's client promises no error types: they come from its HTTP library, which differs between versions.
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise MissingModelError(f"cannot fetch {hub_id} from the hub: {reason}; is there a connection?") from error
