"""A run over several pictures: one that fails costs a line and the exit code, and the others go on."""

import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from layercast.console import say
from layercast_common.errors import CodecError, StorageError, UsageError

#: Exit code of a run in which a picture failed.
_FAILED = 1


class BatchFailures:
    """Records the pictures that fail.

    Args:
        count: how many pictures the run has. The failure of a single one ends the run as any error does.

    Attributes:
        failed: each picture that failed, with its `file` and `error`.
    """

    def __init__(self, count: int) -> None:
        self.failed: list[dict[str, str]] = []
        self._count = count

    @contextmanager
    def picture(self, path: Path) -> Iterator[None]:
        """Report an error of a picture within the block, and go on; other errors pass.

        Args:
            path: the picture.

        Raises:
            CodecError, StorageError: it is the only picture.
        """
        try:
            yield
        except (CodecError, StorageError) as error:
            if self._count == 1:
                raise
            reason = str(error)
            self.failed.append({"file": str(path), "error": reason})
            say(f"layercast: {reason if path.name in reason else f'{path}: {reason}'}")

    @property
    def code(self) -> int | None:
        """The exit code of the run; None if nothing failed."""
        return _FAILED if self.failed else None


def refuse_same_names(paths: Sequence[Path]) -> None:
    """Refuse files whose results would replace each other: they have one name, but for the ending.

    Raises:
        UsageError: two files have the same name.
    """
    known: dict[str, Path] = {}
    for path in paths:
        # Two spellings of one name in Unicode are one file on some systems.
        stem = unicodedata.normalize("NFC", path.stem)
        if stem in known:
            raise UsageError(
                f"{known[stem]} and {path} have the same name, {stem!r}, and so would their results; "
                "run the command for each, with different folders"
            )
        known[stem] = path
