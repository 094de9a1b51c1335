"""Results of `layercast models check`, stored in layercast's cache. Loads no torch."""

import json
import logging
from pathlib import Path

from layercast_common.files import make_folder, save_whole
from layercast_common.nested_text import parse_json
from receiver.rendering.model_files.hub import cache_folder
from receiver.rendering.settings.performance import Performance

_log = logging.getLogger(__name__)


def recorded_performance(fingerprint: str) -> Performance:
    """Return the fastest way to run a model that agreed with plain torch on this machine; PLAIN without a record."""
    try:
        record = parse_json(_file(fingerprint).read_text(encoding="utf-8"))
        return Performance(record["fastest"])
    except FileNotFoundError:
        return Performance.PLAIN
    except (OSError, ValueError, LookupError, TypeError) as error:
        _log.warning("the record of `layercast models check` cannot be read, using %s: %s", Performance.PLAIN, error)
        return Performance.PLAIN


def record_performance(fingerprint: str, fastest: Performance, measured: dict[str, float]) -> None:
    """Store the result of a check.

    Args:
        fingerprint: the model's.
        fastest: the fastest way that agrees.
        measured: seconds per step of each way, by name.

    Raises:
        StorageError: the cache cannot be written.
    """
    make_folder(_file(fingerprint).parent)
    save_whole(json.dumps({"fastest": fastest, "step_s": measured}) + "\n", _file(fingerprint))


def runtime_folder(fingerprint: str) -> Path:
    """Return the folder of a model converted for another runtime."""
    return cache_folder() / "runtimes" / fingerprint


def _file(fingerprint: str) -> Path:
    return runtime_folder(fingerprint) / "check.json"
