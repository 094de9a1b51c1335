"""The list of registered models, and which of them are on this machine. Loads no torch."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from layercast_common.errors import MissingModelError, ModelFilesError
from receiver.rendering.model_files.files import find_files
from receiver.rendering.model_files.fingerprint import revision_of
from receiver.rendering.model_files.naming import find_entry
from receiver.rendering.model_files.registry import REGISTRY


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """A model, as `layercast models list` shows it.

    Attributes:
        name: the registered name, or the name that was asked for.
        about: a description in one line.
        native: the long side that it renders best, in pixels; 0 if unknown.
        folder: the folder of its files; None if a part is missing.
        present: whether every part is on this machine.
        revision: the hub's revision of its own files; None if they are not from the hub.
        steps: denoising steps of a run; 0 if unknown.
        licence: the licences of its weights; empty if unknown.
        recognised: why it is taken for what it is; empty for registered names.
    """

    name: str
    about: str
    native: int
    folder: Path | None
    present: bool
    revision: str | None
    steps: int = 0
    licence: str = ""
    recognised: str = ""


def list_models() -> list[ModelInfo]:
    """Return the registered models, whether they are on this machine or not.

    Raises:
        MissingExtraError: the hub's client library is not installed.
    """
    return [describe_model(name) for name in REGISTRY]


def describe_model(name: str) -> ModelInfo:
    """Return what a model is, and whether it is on this machine.

    Args:
        name: as for `find_files`.

    Raises:
        UnknownModelError: no model of that name.
        MissingExtraError: the hub's client library is not installed.
    """
    entry, files = find_entry(name), None
    with suppress(MissingModelError, ModelFilesError):
        files = find_files(name)
    settings = files.settings if files else entry.settings
    return ModelInfo(
        name=name,
        about=entry.about,
        native=settings.native if settings else 0,
        folder=files.folder if files else None,
        present=files is not None,
        revision=revision_of(files.folder) if files else None,
        steps=settings.steps if settings else 0,
        licence=entry.licence,
        recognised=files.reason if files else entry.reason,
    )
