"""The hub's cache on this machine, and the choice of files to fetch from a repository. Loads no torch."""

import os
import re
import tempfile
from collections.abc import Collection, Iterable
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

#: The names of weights that diffusers and transformers load from a folder; the second group names half precision.
#: Repositories keep more files beside them, such as whole checkpoints, weights before averaging, and parts of parts.
_LOADED = re.compile(
    r"(?:diffusion_pytorch_model|model|pytorch_lora_weights)(\.fp16)?(?:-\d+-of-\d+)?(\.fp16)?\.safetensors"
)


def cached_folder(hub_id: str, revision: str | None = None, file: str | None = None) -> Path | None:
    """Return the folder of a repository's files in the hub's cache, or None. Files may be missing in it.

    Args:
        hub_id: OWNER/NAME.
        revision: the beginning of a commit; None for the one that was fetched last.
        file: a file that must be in it; None for any file that a model's repository has.

    Raises:
        MissingExtraError: the hub's client library is not installed.
    """
    if revision is not None:
        return _cached_snapshot(hub_id, revision)
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError as error:
        raise MissingExtraError("looking for a model", "render") from error
    for sign in (file,) if file else _SIGNS:
        path = try_to_load_from_cache(hub_id, sign)
        if isinstance(path, str):
            return Path(path[: -len(sign)])
    return None


def newest_snapshot(hub_id: str) -> Path | None:
    """Return the folder of what was fetched last from a repository, whatever its files are called; None if nothing."""
    from huggingface_hub import constants

    repository = Path(constants.HF_HUB_CACHE) / f"models--{hub_id.replace('/', '--')}"
    refs = [path.read_text().strip() for path in (repository / "refs").glob("*") if path.is_file()]
    folders = [repository / "snapshots" / commit for commit in refs] + sorted((repository / "snapshots").glob("*"))
    return next((folder for folder in folders if folder.is_dir()), None)


def _cached_snapshot(hub_id: str, revision: str) -> Path | None:
    from huggingface_hub import constants

    snapshots = Path(constants.HF_HUB_CACHE) / f"models--{hub_id.replace('/', '--')}" / "snapshots"
    return next((folder for folder in sorted(snapshots.glob("*")) if folder.name.startswith(revision)), None)


def hub_id_of(folder: Path) -> str | None:
    """Return the hub id of a folder in the hub's cache (models--OWNER--NAME/snapshots/COMMIT); None for any other."""
    place = folder.resolve()
    if place.parent.name != "snapshots" or not place.parent.parent.name.startswith("models--"):
        return None
    return place.parent.parent.name.removeprefix("models--").replace("--", "/")


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


def choose_weights(names: Iterable[str], *, half: bool) -> list[str]:
    """Choose the weights of one part that the libraries load, in one variant.

    Args:
        names: file names, or paths within a repository, of one folder.
        half: whether to prefer half precision; otherwise it is chosen only if there is nothing else.
    """
    found: dict[bool, list[str]] = {True: [], False: []}
    for name in names:
        if match := _LOADED.fullmatch(name.rpartition("/")[2]):
            found[bool(match[1] or match[2])].append(name)
    return sorted(found[half] or found[not half])


def choose_files(
    names: Collection[str], parts: Collection[str], *, pickle: bool = False, half: bool = True, weights: bool = True
) -> list[str]:
    """Choose the files of a repository to fetch: configs, and for each part the weights that will be loaded.

    Args:
        names: every file of the repository.
        parts: the subfolders to fetch; "" for the root.
        pickle: whether to accept a pickle if a part has no other weights.
        half: whether to prefer weights in half precision.
        weights: whether to fetch weights, or configs and vocabularies only.
    """
    chosen = []
    for part in parts:
        inside = [name for name in names if (name.rpartition("/")[0] == part)]
        loaded = (choose_weights(inside, half=half) or _choose_pickle(inside, allowed=pickle)) if weights else []
        # The index of a variant that is not fetched names shards that would be missing.
        indexes = {f"{re.sub(r'-[0-9]+-of-[0-9]+', '', name)}.index.json" for name in loaded}
        configs = [name for name in inside if name.endswith((".json", ".jinja", "merges.txt"))]
        chosen += [name for name in configs if not name.endswith(".index.json") or name in indexes]
        chosen += loaded
    return sorted(set(chosen))


def _choose_pickle(names: Collection[str], *, allowed: bool) -> list[str]:
    return [name for name in names if allowed and name.endswith(_PICKLE)]
