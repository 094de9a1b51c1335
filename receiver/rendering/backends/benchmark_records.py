"""What `layercast models check` found out about a model on this machine, kept in layercast's cache. Loads no torch."""

import json
import logging
from pathlib import Path

from layercast_common.files import make_folder, save_whole
from receiver.rendering.model_files.hub import cache_folder
from receiver.rendering.settings.performance import Performance

logger = logging.getLogger(__name__)


def recorded_performance(fingerprint: str) -> Performance:
    """The fastest way to run a model that agreed with plain torch on this machine; plain if nobody checked."""
    try:
        kept = json.loads(_file(fingerprint).read_text(encoding="utf-8"))
        return Performance(kept["fastest"])
    except FileNotFoundError:
        return Performance.PLAIN
    except (OSError, ValueError, LookupError, TypeError) as error:
        logger.warning("what was found out about this model cannot be read: %s", error)
        return Performance.PLAIN


def record_performance(fingerprint: str, fastest: Performance, measured: dict[str, float]) -> None:
    """Keep the fastest way that agrees, and each way's seconds per step.

    Raises:
        UsageError: the cache cannot be written to.
    """
    make_folder(_file(fingerprint).parent)
    save_whole(json.dumps({"fastest": fastest, "step_s": measured}) + "\n", _file(fingerprint))


def runtime_folder(fingerprint: str) -> Path:
    """Where a model converted for another runtime is kept."""
    return cache_folder() / "runtimes" / fingerprint


def _file(fingerprint: str) -> Path:
    return runtime_folder(fingerprint) / "check.json"
