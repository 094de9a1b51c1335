"""Model identity: fingerprints and revisions, to compare the weights of two machines."""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

#: Bytes at the beginning of each file that are hashed: its index of tensors, and the first of them.
SAMPLE = 1 << 20

#: Hex digits of a fingerprint.
DIGITS = 12

_SNAPSHOT = re.compile(r"[0-9a-f]{40}")


def fingerprint(folders: Iterable[Path]) -> str:
    """Return a short digest of the weights and retrieval indexes in some folders; it does not depend on their paths."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted([*folder.glob("*.safetensors"), *folder.glob("*.msgpack")]):
            digest.update(f"{folder.name}/{path.name} {path.stat().st_size}\n".encode())
            with path.open("rb") as file:
                digest.update(file.read(SAMPLE))
    return digest.hexdigest()[:DIGITS]


def revision_of(folder: Path) -> str | None:
    """Return the hub's revision of a folder in the hub's cache; None for any other folder."""
    snapshot = folder.resolve() if folder.exists() else folder
    return next((part for part in (folder.name, snapshot.name) if _SNAPSHOT.fullmatch(part)), None)


def split_revision(name: str) -> tuple[str, str | None]:
    """Split "sd15@1a2b3c4" into name and revision; the revision is None if the name has none."""
    plain, at, revision = name.rpartition("@")
    return (plain, revision) if at and plain else (name, None)


def describe_mismatch(meant: str, name: str, revision: str | None) -> str | None:
    """Return one line if a picture is rendered with another model than it was made for; else None.

    Args:
        meant: the model that the picture's stream names; "@" and a revision may follow.
        name: the model that renders it.
        revision: that model's revision on the hub; None if it is not from the hub.
    """
    plain, wanted = split_revision(meant)
    if plain != split_revision(name)[0]:
        return f"it was made for the model {meant} and is rendered with {name}: it will look different"
    if wanted and not (revision or "").startswith(wanted):
        return f"it was made for {meant} and is rendered with revision {revision or 'unknown'}: it may look different"
    return None
