"""Measured points on disk, so that a run that was stopped goes on where it was."""

import contextlib
import hashlib
from pathlib import Path

import msgspec

from evaluation.rate_distortion.points import Point
from layercast_common.errors import StorageError
from layercast_common.files import make_folder, save_whole

#: Changes when figures or searches change their results.
REVISION = 1


class PointCache:
    """The points of one picture and one contender, in one file.

    Args:
        folder: folder of all such files; created if needed.
        key: everything that the results depend on, apart from the budget.

    Raises:
        StorageError: the folder cannot be created.
    """

    def __init__(self, folder: Path, key: str) -> None:
        make_folder(folder)
        name = hashlib.sha256(f"{REVISION}\n{key}".encode()).hexdigest()[:32]
        self._path = folder / f"{name}.json"
        self._points = _read(self._path)

    def get(self, budget: int) -> Point | None:
        """Return the point of a budget, if it has been measured."""
        return self._points.get(budget)

    def add(self, point: Point) -> None:
        """Store a point.

        Raises:
            StorageError: the file cannot be written.
        """
        self._points[point.budget] = point
        save_whole(msgspec.json.encode(list(self._points.values())), self._path)


def _read(path: Path) -> dict[int, Point]:
    """Return the stored points; none from a file that is missing or that another version wrote."""
    with contextlib.suppress(FileNotFoundError, msgspec.MsgspecError, RecursionError):
        try:
            points = msgspec.json.decode(path.read_bytes(), type=list[Point])
        except FileNotFoundError:
            raise
        except OSError as error:
            raise StorageError.of(error, path) from error
        return {point.budget: point for point in points}
    return {}
