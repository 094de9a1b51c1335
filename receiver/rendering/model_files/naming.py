"""What a model's name means: a registered model, a folder, a checkpoint, or a repository of the hub. Loads no torch."""

import contextlib
import difflib
import re
from dataclasses import replace
from pathlib import Path

from layercast_common.errors import UnknownModelError
from receiver.rendering.model_files.fingerprint import revision_of, split_revision
from receiver.rendering.model_files.hub import hub_id_of
from receiver.rendering.model_files.registry import REGISTRY, RegistryEntry

#: The suffix of a checkpoint: one file with all parts of a model.
CHECKPOINT = ".safetensors"

#: Checkpoints that can run code when they are read, or that diffusers cannot read.
_REFUSED = (".ckpt", ".pt", ".pth", ".bin", ".pickle", ".gguf", ".onnx")

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def find_entry(name: str | Path) -> RegistryEntry:
    """Return the entry of a registered name, or a new entry for a folder, a checkpoint or a hub id.

    Registered models keep their entry under their own hub ids, and in their folders in the hub's cache.

    Args:
        name: a registered name, a folder, a checkpoint, or a hub id; "@" and a revision may follow names and hub ids.

    Raises:
        UnknownModelError: the name is none of these.
    """
    if isinstance(name, str) and name in REGISTRY:
        return REGISTRY[name]
    path = Path(name)
    # A user may have no home folder.
    with contextlib.suppress(RuntimeError):
        path = path.expanduser()
    if name and path.is_dir():
        return _folder_entry(path)
    if str(name).endswith((CHECKPOINT, *_REFUSED)):
        return _checkpoint_entry(path)
    plain, revision = split_revision(str(name))
    if plain in REGISTRY:
        return replace(REGISTRY[plain], revision=revision)
    # A name that starts with a folder of this place is a path, not somebody's repository.
    if isinstance(name, str) and _HUB_ID.fullmatch(plain) and not Path(plain.partition("/")[0]).is_dir():
        return _hub_entry(plain, revision)
    raise UnknownModelError(_unknown(str(name)))


def registered_name(hub_id: str) -> str | None:
    """Return the registered model whose own repository this is; None if there is none.

    Models that add a LoRA to a repository share it with the plain model, which comes first.
    """
    for name, entry in REGISTRY.items():
        if hub_id in (entry.base, *entry.aliases):
            return name
    return None


def _folder_entry(folder: Path) -> RegistryEntry:
    hub_id = hub_id_of(folder)
    if hub_id and (known := registered_name(hub_id)):
        reason = f"the folder is {hub_id} at {(revision_of(folder) or 'an unknown revision')[:12]}, which is {known}"
        return replace(REGISTRY[known], base=folder, reason=reason, aliases=())
    return RegistryEntry(about="local folder", settings=None, base=folder, reason="local folder")


def _hub_entry(hub_id: str, revision: str | None) -> RegistryEntry:
    known = registered_name(hub_id)
    if known is None:
        return RegistryEntry(about="hub model", settings=None, base=hub_id, revision=revision, reason="hub model")
    reason = f"{hub_id} is the repository of {known}"
    return replace(REGISTRY[known], base=hub_id, revision=revision, reason=reason, aliases=())


def _checkpoint_entry(path: Path) -> RegistryEntry:
    if path.suffix in _REFUSED:
        raise UnknownModelError(
            f"{path} is no checkpoint that layercast reads: use a {CHECKPOINT} file; files of the kind {path.suffix} "
            "can run code when they are read, or lack what diffusers needs"
        )
    if not path.is_file():
        raise UnknownModelError(f"there is no file {path}; give the path of a checkpoint that exists")
    return RegistryEntry(about="checkpoint", settings=None, base=path, reason="checkpoint")


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, REGISTRY, n=1)
    folder = f", and there is no folder {name}" if "/" in name else ""
    hint = f" (did you mean {near[0]}?)" if near else ""
    return (
        f"no model is called {name!r}{folder}{hint}; use one of {', '.join(REGISTRY)}, a local folder or checkpoint, "
        "or a hub id OWNER/NAME"
    )
