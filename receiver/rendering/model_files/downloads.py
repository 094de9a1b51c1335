"""What fetching takes and what came of it: sizes, room on the disk, and revisions. Loads no torch."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from layercast_common.errors import MissingModelError

#: Room that is left on the disk after a download, in bytes: 1 GB.
HEADROOM = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Download:
    """One repository of a model.

    Attributes:
        hub_id: OWNER/NAME.
        revision: the commit that is fetched.
        files: what of it is wanted.
        size: bytes of these files.
        missing: bytes of them that are not here yet.
    """

    hub_id: str
    revision: str
    files: tuple[str, ...]
    size: int
    missing: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """A model that is here.

    Attributes:
        folder: its own files.
        revisions: the commit of each repository that it is made of.
    """

    folder: Path
    revisions: dict[str, str]


def check_room(downloads: Iterable[Download], cache: Path) -> None:
    """See that the disk has room for what is missing.

    Raises:
        MissingModelError: it has not.
    """
    missing = sum(download.missing for download in downloads)
    place = next(folder for folder in (cache, *cache.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    if missing and missing + HEADROOM > free:
        raise MissingModelError(
            f"fetching takes {missing / 1e9:.1f} GB and leaves less than {HEADROOM / 1e9:.0f} GB free at {place}, "
            f"which has {free / 1e9:.1f}; make room, or name another disk with HF_HOME"
        )
