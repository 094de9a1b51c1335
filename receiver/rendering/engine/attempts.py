"""Attempts whose errors hold nothing, and the log of what failed. Loads no torch until memory is full.

A traceback holds every frame that the error passed through, with its local variables. For an error inside a model these
are the activations of the failed pass: gigabytes on a GPU, for as long as the error is held.
"""

import logging
import re
import threading
import traceback
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from layercast_common.errors import DeviceMemoryError

if TYPE_CHECKING:
    from receiver.rendering.models.model import Model

_log = logging.getLogger(__name__)

R = TypeVar("R")


def attempt(act: Callable[[], R]) -> tuple[R | None, Exception | None]:
    """Call `act`; return its result and None, or None and its error without tracebacks.

    When this returns, nothing that the failed call allocated is held any more.
    """
    try:
        return act(), None
    except Exception as error:
        return None, forget_frames(error)


def forget_frames(error: Exception) -> Exception:
    """Remove the tracebacks from an error and from those that led to it; debug logging gets them as text."""
    if _log.isEnabledFor(logging.DEBUG):
        _log.debug("%s", "".join(traceback.format_exception(error)))
    todo: list[BaseException | None] = [error]
    seen: set[int] = set()
    while todo:
        link = todo.pop()
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        link.__traceback__ = None
        todo += [link.__cause__, link.__context__]
    return error


def make_room(model: "Model", error: BaseException | None) -> bool:
    """If an error says that the device's memory is full, free what is unused there; return whether it says so."""
    if error is None:
        return False
    from receiver.rendering.models.memory import is_out_of_memory, release_memory

    full = is_out_of_memory(error)
    if full:
        release_memory(model.device)
    return full


def name_error(error: Exception) -> Exception:
    """Return a full memory's error with the way out, in one short line; every other error as it is."""
    from receiver.rendering.models.memory import is_out_of_memory

    if not is_out_of_memory(error):
        return error
    size = re.search(r"ried to allocate ([\d.]+ \w+)", str(error))
    return DeviceMemoryError(
        "the device's memory is too small for one picture; use --performance low-memory, a smaller model,"
        f" or another device{f' (tried to allocate {size[1]})' if size else ''}"
    )


class FailureLog:
    """Warns of what failed, once per cause until something succeeds again: a full device fails every picture alike."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._repeated: Counter[str] = Counter()

    def warn(self, what: str, error: Exception) -> None:
        """Log a failure: a warning if its cause is new, else a debug message.

        Args:
            what: what failed, such as "rendering 'a' failed".
            error: why.
        """
        # The size that did not fit differs from picture to picture.
        cause = DeviceMemoryError.__name__ if isinstance(error, DeviceMemoryError) else f"{error!r}"
        with self._lock:
            known = cause in self._repeated
            self._repeated[cause] += known
        _log.log(logging.DEBUG if known else logging.WARNING, "%s: %s", what, error)

    def succeeded(self) -> None:
        """Log how often each cause came again, and forget the causes."""
        if not self._repeated:
            return
        with self._lock:
            repeated, self._repeated = self._repeated, Counter()
        for cause, times in repeated.items():
            if times:
                _log.warning("%d more failures of the same kind: %s", times, cause)
