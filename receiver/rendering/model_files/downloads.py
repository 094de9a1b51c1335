"""Data of downloads: sizes, free disk space, and revisions. Loads no torch."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from layercast_common.errors import MissingModelError
from receiver.rendering.settings.tuning import Tuning

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
        requested: the revision that was asked for; None for the newest.
        skipped: bytes of the repository's other files.
    """

    hub_id: str
    revision: str
    files: tuple[str, ...]
    size: int
    missing: int
    requested: str | None = None
    skipped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchPlan:
    """What a fetch of a model downloads.

    Attributes:
        name: the name that the model was requested by.
        tuning: LoRAs and an autoencoder that are added to it.
        downloads: one for each repository.
    """

    name: str
    tuning: Tuning | None
    downloads: tuple[Download, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(download.size for download in self.downloads)

    @property
    def missing(self) -> int:
        """Bytes that are not in the cache yet."""
        return sum(download.missing for download in self.downloads)


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """What to fetch from one repository.

    Attributes:
        hub_id: OWNER/NAME.
        parts: folders whose configs and weights are fetched; "" for the root.
        files: further files, by their paths.
        revision: the commit, branch or tag; None for the newest.
        weights: whether to fetch weights, or configs and vocabularies only.
        lora: whether it is a LoRA, whose file is found by its name unless `files` names it.
    """

    hub_id: str
    parts: tuple[str, ...] = ("",)
    files: tuple[str, ...] = ()
    revision: str | None = None
    weights: bool = True
    lora: bool = False


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
