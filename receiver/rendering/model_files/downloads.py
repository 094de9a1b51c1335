"""Data of downloads: sizes, free disk space, and revisions. Loads no torch."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from layercast_common.errors import MissingModelError

#: Space that a download leaves free on the disk, in bytes: 1 GB.
HEADROOM = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Download:
    """One repository of a model.

    Attributes:
        hub_id: OWNER/NAME.
        revision: the commit to fetch.
        files: the files to fetch.
        size: their total size in bytes.
        missing: bytes of them that are not in the cache yet.
    """

    hub_id: str
    revision: str
    files: tuple[str, ...]
    size: int
    missing: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """A model that has been fetched.

    Attributes:
        folder: the folder of its own files.
        revisions: the commit of each repository that the model consists of, by hub id.
    """

    folder: Path
    revisions: dict[str, str]


def check_disk_space(downloads: Iterable[Download], cache: Path) -> None:
    """Check that the disk of the cache has space for the missing files.

    Raises:
        MissingModelError: it has too little.
    """
    missing = sum(download.missing for download in downloads)
    place = next(folder for folder in (cache, *cache.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    if missing and missing + HEADROOM > free:
        raise MissingModelError(
            f"the download of {missing / 1e9:.1f} GB would leave less than {HEADROOM / 1e9:.0f} GB free at {place}, "
            f"which has {free / 1e9:.1f}; free some space, or set HF_HOME to a folder on another disk"
        )
