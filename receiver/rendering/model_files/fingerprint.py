"""Which weights exactly: what a model's files are, so that two machines can tell whether theirs are the same."""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

#: Bytes of each weights file that are looked at, from its beginning: its own index of tensors, and some of them.
SAMPLE = 1 << 20

#: Hex digits that tell one set of weights from another.
DIGITS = 12

_SNAPSHOT = re.compile(r"[0-9a-f]{40}")


def fingerprint(folders: Iterable[Path]) -> str:
    """A short digest of the weights in some folders, and of what is remembered, wherever these lie."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted([*folder.glob("*.safetensors"), *folder.glob("*.msgpack")]):
            digest.update(f"{folder.name}/{path.name} {path.stat().st_size}\n".encode())
            with path.open("rb") as file:
                digest.update(file.read(SAMPLE))
    return digest.hexdigest()[:DIGITS]


def revision_of(folder: Path) -> str | None:
    """The hub's revision of a folder in its cache; None for any other."""
    snapshot = folder.resolve() if folder.exists() else folder
    return next((part for part in (folder.name, snapshot.name) if _SNAPSHOT.fullmatch(part)), None)


def split_revision(name: str) -> tuple[str, str | None]:
    """Split "sd15@1a2b3c4" into the model's name and its revision; None where there is none."""
    plain, at, revision = name.rpartition("@")
    return (plain, revision) if at and plain else (name, None)


def describe_mismatch(meant: str, name: str, revision: str | None) -> str | None:
    """One line where a picture is drawn with another model than it was meant for; None where it is the same.

    Args:
        meant: what its stream names, "@" and a revision may follow.
        name: the model that draws it.
        revision: the hub's revision of that one, if it is the hub's.
    """
    plain, wanted = split_revision(meant)
    if plain != split_revision(name)[0]:
        return f"it is meant for the model {meant} and drawn with {name}: it will look different"
    if wanted and not (revision or "").startswith(wanted):
        return f"it is meant for {meant} and drawn with revision {revision or 'unknown'}: it may look different"
    return None
