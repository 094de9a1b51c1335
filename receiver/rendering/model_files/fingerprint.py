"""Model identity: fingerprints and revisions, to compare the weights of two machines."""

import hashlib
import json
import logging
import re
from collections.abc import Iterable
from pathlib import Path

from layercast_common.errors import StorageError
from layercast_common.files import make_folder, save_whole
from layercast_common.nested_text import parse_json
from receiver.rendering.model_files.hub import cache_folder

_log = logging.getLogger(__name__)

#: Hex digits of a fingerprint.
DIGITS = 12

#: Files of at most this size, in bytes, are read again each time: that is faster than keeping a record of them.
_SMALL = 1 << 22

_SNAPSHOT = re.compile(r"[0-9a-f]{40}")

#: The hub's cache names large files by their SHA-256.
_BLOB = re.compile(r"[0-9a-f]{64}")


def fingerprint(places: Iterable[Path], settings: object = None) -> str:
    """Return a short digest of every byte of the weights and retrieval indexes in some places.

    Args:
        places: folders, or files; their paths have no influence, but folders' names and the order have.
        settings: what else changes the weights, such as the factors of LoRAs; its `repr` is used.
    """
    digest = hashlib.sha256()
    for place in places:
        found = [place] if place.is_file() else [*place.glob("*.safetensors"), *place.glob("*.msgpack")]
        for path in sorted(found):
            digest.update(f"{place.name}/{path.name} {_digest(path)}\n".encode())
    if settings:
        digest.update(repr(settings).encode())
    return digest.hexdigest()[:DIGITS]


def _digest(path: Path) -> str:
    """Return a file's SHA-256: the hub's own if it is in the hub's cache, or the one recorded for the same file."""
    target = path.resolve()
    if target.parent.name == "blobs" and _BLOB.fullmatch(target.name):
        return target.name
    facts = target.stat()
    if facts.st_size <= _SMALL:
        return hashlib.sha256(target.read_bytes()).hexdigest()
    # A change of the content changes the time of the last change of the file's entry, which programs cannot set.
    state = [str(target), facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino]
    record = cache_folder() / "digests" / f"{hashlib.sha256(str(target).encode()).hexdigest()[:32]}.json"
    try:
        known = parse_json(record.read_bytes())
        if known["file"] == state:
            return str(known["sha256"])
    except (OSError, ValueError, LookupError, TypeError):
        pass
    with target.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    try:
        make_folder(record.parent)
        save_whole(json.dumps({"file": state, "sha256": found}) + "\n", record)
    except StorageError as error:
        _log.info("the digest of %s is not recorded: %s", target, error)
    return found


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
