"""What came, kept on disk: the stream as it was received and the picture at each level.

Every file is written whole under another name and then moved, so that a reader never meets half of one. Names are made
here, from the time and our own name of the picture; nothing that a sender says becomes part of a path.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from codec.bitstream import Bitstream
from codec.layers import Layer
from layercast_errors import LayercastError, UsageError

_log = logging.getLogger("receiver.archive")


def save_whole(content: Image.Image | str, path: Path) -> None:
    """Write a picture as PNG, or a text as UTF-8; other programs see the file either as it was or whole.

    Raises:
        UsageError: the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        if isinstance(content, str):
            temporary.write_text(content, encoding="utf-8")
        else:
            content.save(temporary, "PNG")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UsageError(f"{path}: {error.strerror or error}") from error


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, where they are not there.

    Raises:
        UsageError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise UsageError(f"{folder} is a file, and a folder is needed there") from error
    except OSError as error:
        raise UsageError(f"the folder {folder} cannot be made: {error.strerror or error}") from error


@dataclass(frozen=True, slots=True)
class Archive:
    """A folder of received pictures. A full disk is logged and does not stop the show.

    Attributes:
        folder: where; made if it is not there.
    """

    folder: Path

    def __post_init__(self) -> None:
        make_folder(self.folder)

    def save_stream(self, stem: str, stream: Bitstream) -> None:
        """Keep a stream as STEM.lcast."""
        with self._guarded():
            stream.save(self.folder / f"{stem}.lcast")

    def save_level(self, stem: str, level: Layer, image: Image.Image) -> None:
        """Keep the picture at a level as STEM.LEVEL.png."""
        with self._guarded():
            save_whole(image, self.folder / f"{stem}.{level.name.lower()}.png")

    @staticmethod
    @contextmanager
    def _guarded() -> Iterator[None]:
        try:
            yield
        except LayercastError as error:
            _log.error("not archived: %s", error)
