"""Attempts whose errors hold nothing. Loads no torch until memory is full.

A traceback holds every frame that the error passed through, with its local variables. For an error inside a model these
are the activations of the failed pass: gigabytes on a GPU, for as long as the error is held.
"""

import logging
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

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
