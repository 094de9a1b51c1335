"""The hub's cache on this machine, and the choice of files to fetch from a repository. Loads no torch."""

import os
import tempfile
from collections.abc import Collection
from pathlib import Path

from layercast_common.errors import MissingExtraError

#: A repository counts as cached if one of these files is in the cache.
_SIGNS = ("model_index.json", "config.json", "pytorch_lora_weights.safetensors")

#: Adapters that exist only as pickles. Only these are ever unpickled (weights only), and then saved as safetensors.
TRUSTED_PICKLES = frozenset(
    {
        "TencentARC/t2iadapter_canny_sd15v2",
        "TencentARC/t2iadapter_color_sd14v1",
        "TencentARC/t2iadapter_openpose_sd14v1",
        "TencentARC/t2iadapter_sketch_sd15v2",
    }
)

_PICKLE = "diffusion_pytorch_model.bin"


def cached_folder(hub_id: str, revision: str | None = None) -> Path | None:
    """Return the folder of a repository's files in the hub's cache, or None. Files may be missing in it.

    Args:
        hub_id: OWNER/NAME.
        revision: the beginning of a commit; None for the one that was fetched last.

    Raises:
        MissingExtraError: the hub's client library is not installed.
    """
    if revision is not None:
        return _cached_snapshot(hub_id, revision)
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError as error:
        raise MissingExtraError("looking for a model", "render") from error
    for sign in _SIGNS:
        path = try_to_load_from_cache(hub_id, sign)
        if isinstance(path, str):
            return Path(path).parent
    return None


def _cached_snapshot(hub_id: str, revision: str) -> Path | None:
    from huggingface_hub import constants

    snapshots = Path(constants.HF_HUB_CACHE) / f"models--{hub_id.replace('/', '--')}" / "snapshots"
    return next((folder for folder in sorted(snapshots.glob("*")) if folder.name.startswith(revision)), None)


def cache_folder() -> Path:
    """Return layercast's cache folder: `LAYERCAST_CACHE`, or `layercast` in the user's cache folder.

    A user without a home folder has one in the system's folder for temporary files, which need not exist.
    """
    cache = os.environ.get("LAYERCAST_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "layercast"
    try:
        return Path(cache).expanduser()
    except RuntimeError:
        return Path(tempfile.gettempdir()) / f"layercast-{os.getuid() if hasattr(os, 'getuid') else 'user'}"


def converted_folder(hub_id: str) -> Path:
    """Return the folder for an adapter converted from a pickle, whether it exists or not."""
    return cache_folder() / "adapters" / hub_id.replace("/", "--")


def has_weights(folder: Path) -> bool:
    """Return whether a part's folder holds weights that can be loaded without unpickling."""
    return any(folder.glob("*.safetensors"))


def has_pickle(folder: Path) -> bool:
    """Return whether a part's folder holds weights as a pickle."""
    return (folder / _PICKLE).is_file()


def choose_files(names: Collection[str], parts: Collection[str], *, pickle: bool = False) -> list[str]:
    """Choose the files of a repository to fetch: configs, and for each part the smallest loadable weights.

    Args:
        names: every file of the repository.
        parts: the subfolders to fetch; "" for the root.
        pickle: whether to accept a pickle if a part has no other weights.
    """
    chosen = []
    for part in parts:
        inside = [name for name in names if (name.rpartition("/")[0] == part)]
        chosen += [name for name in inside if name.endswith((".json", "merges.txt"))]
        chosen += _choose_weights(inside, pickle=pickle)
    return sorted(set(chosen))


def _choose_weights(names: Collection[str], *, pickle: bool) -> list[str]:
    loadable = [name for name in names if name.endswith(".safetensors")]
    half = [name for name in loadable if ".fp16" in name]
    # Variants such as "non_ema" have one more dot-separated word in their names.
    plain = [name for name in loadable if name.rpartition("/")[2].count(".") == 1]
    if half or plain or loadable:
        return half or plain or loadable
    return [name for name in names if pickle and name.endswith(_PICKLE)]
