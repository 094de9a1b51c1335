"""Configuration of the viewer."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from layercast_common.errors import UsageError
from receiver.condition import ReceiverCondition
from receiver.permissions import Permissions
from receiver.viewer.history import HISTORY_LIMIT

#: Folder of the page's files.
STATIC = Path(__file__).parent / "static"


def _always_ok() -> ReceiverCondition:
    return ReceiverCondition.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewerOptions:
    """What the viewer shows, and to whom.

    Attributes:
        address: the URL for senders, shown on the page; None if unknown.
        origins: web origins besides the page's own that may open the live channel, such as "https://show.example";
            needed behind a proxy that rewrites the Host header.
        names: host names of the page besides "localhost" and IP addresses, such as "show.example".
        permissions: who may watch and read the metrics; None admits everyone.
        metrics: returns the metrics as text, and their media type; None disables them.
        condition: returns the condition of the receiver for `/healthz`.
        pictures: number of pictures to remember, at least 1.
        clock: the clock of the events' times, in seconds.

    Raises:
        UsageError: `pictures` is out of range.
    """

    address: str | None = None
    origins: Collection[str] = ()
    names: Collection[str] = ()
    permissions: Permissions | None = None
    metrics: Callable[[], tuple[bytes, str]] | None = None
    condition: Callable[[], ReceiverCondition] = _always_ok
    pictures: int = HISTORY_LIMIT
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        if self.pictures < 1:
            raise UsageError(f"the viewer remembers at least 1 picture, not {self.pictures}")
