"""Files of recorded arrivals."""

from pathlib import Path

from layercast_common.errors import BitstreamError, StorageError
from receiver.viewer.pictures.recording import MAX_RECORDING, recording_from_bytes
from receiver.viewer.pictures.state import PictureState


def load_recording(path: Path) -> PictureState:
    """Read the file of a recording.

    Raises:
        StorageError: the file cannot be read.
        BitstreamError: it is not a recording, is damaged, or exceeds a limit.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_RECORDING + 1)
    except OSError as error:
        raise StorageError.of(error, path) from error
    try:
        return recording_from_bytes(data)
    except BitstreamError as error:
        raise BitstreamError(f"{path}: {error}") from error
