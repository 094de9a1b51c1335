"""Files of a simulation's folder. Each is written whole, so that a killed run leaves nothing half written."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from layercast_common.errors import StorageError
from layercast_common.files import make_folder, save_whole
from layercast_common.nested_text import parse_json

#: Long side and quality of the pictures in reports, in pixels.
REPORT_SIDE, REPORT_QUALITY = 256, 60


class Store:
    """Named results in a folder, each computed once.

    Args:
        folder: the folder; created with its first file.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[str, Any] = {}

    def get(self, name: str) -> Any | None:
        """Return a stored JSON value; None if it is missing. A damaged file is as good as none."""
        if name not in self._known:
            try:
                self._known[name] = parse_json((self.folder / f"{name}.json").read_bytes())
            except FileNotFoundError:
                return None
            except OSError as error:
                raise StorageError.of(error, self.folder / f"{name}.json") from error
            except ValueError:
                return None
        return self._known[name]

    def put(self, name: str, value: Any) -> Any:
        """Store a JSON value, and return it as it will be read."""
        text = json.dumps(value)
        path = self.folder / f"{name}.json"
        make_folder(path.parent)
        save_whole(text, path)
        self._known[name] = parse_json(text)
        return self._known[name]

    def get_or_compute(self, name: str, compute: Callable[[], Any]) -> Any:
        """Return a stored value; compute and store it first if it is missing."""
        value = self.get(name)
        return self.put(name, compute()) if value is None else value

    def forget(self, name: str) -> None:
        """Free the memory of a value; it is read again when it is asked for."""
        self._known.pop(name, None)

    def put_bytes(self, name: str, data: bytes) -> None:
        """Store a file."""
        path = self.folder / name
        make_folder(path.parent)
        save_whole(data, path)

    def get_bytes(self, name: str) -> bytes:
        """Return a stored file.

        Raises:
            StorageError: it cannot be read.
        """
        try:
            return (self.folder / name).read_bytes()
        except OSError as error:
            raise StorageError.of(error, self.folder / name) from error

    def put_picture(self, name: str, picture: Image.Image) -> None:
        """Store a small picture for reports, as WebP."""
        import io

        out = io.BytesIO()
        small = picture.copy()
        small.thumbnail((REPORT_SIDE, REPORT_SIDE), Image.Resampling.LANCZOS)
        small.save(out, "WEBP", quality=REPORT_QUALITY, method=4)
        self.put_bytes(f"{name}.webp", out.getvalue())
