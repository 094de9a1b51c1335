"""The list of registered models, and which of them are on this machine. Loads no torch."""

from dataclasses import dataclass
from pathlib import Path

from layercast_common.errors import MissingModelError, ModelFilesError
from receiver.rendering.model_files.files import find_files
from receiver.rendering.model_files.fingerprint import revision_of
from receiver.rendering.model_files.registry import REGISTRY, RegistryEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """A registered model, as `layercast models list` shows it.

    Attributes:
        name: the registered name.
        about: a description in one line.
        native: the long side that it renders best, in pixels; 0 if unknown.
        folder: the folder of its files; None if a part is missing.
        present: whether every part is on this machine.
        revision: the hub's revision of its own files; None if they are not from the hub.
    """

    name: str
    about: str
    native: int
    folder: Path | None
    present: bool
    revision: str | None


def list_models() -> list[ModelInfo]:
    """Return the registered models, whether they are on this machine or not.

    Raises:
        MissingExtraError: the hub's client library is not installed.
    """
    return [_describe(name, entry) for name, entry in REGISTRY.items()]


def _describe(name: str, entry: RegistryEntry) -> ModelInfo:
    try:
        folder = find_files(name).parts["unet"].parent
    except (MissingModelError, ModelFilesError):
        folder = None
    return ModelInfo(
        name=name,
        about=entry.about,
        native=entry.settings.native if entry.settings else 0,
        folder=folder,
        present=folder is not None,
        revision=revision_of(folder) if folder else None,
    )
