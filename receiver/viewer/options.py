"""Configuration of the viewer."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Union

from layercast_common.errors import UsageError
from receiver.condition import ReceiverCondition
from receiver.permissions import Permissions
from receiver.viewer.control.controls import Controls, no_controls
from receiver.viewer.pictures.state import HISTORY_LIMIT

if TYPE_CHECKING:
    from receiver.archive.library import Library

#: Folder of the page's files.
STATIC = Path(__file__).parent / "static"


def _always_ok() -> ReceiverCondition:
    return ReceiverCondition.OK


def _nothing() -> None:
    return None


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
        library: the archive that the page searches; None without one.
        preload: whether the page shows the newest pictures of the archive before others arrive.
        on_recorded: called in the event loop when a picture has ended, with its name and how it arrived, as a file.
        speed: how fast the page replays recorded arrivals; it starts to do so by itself.
        note: one line that the page shows above everything, such as what is being loaded; read again with each event.
        controls: returns what visitors may do; nothing by default. Read again with each request.
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
    library: Union["Library", None] = None
    preload: bool = True
    on_recorded: Callable[[str, bytes], None] | None = None
    speed: float = 1.0
    note: Callable[[], str | None] = _nothing
    controls: Callable[[], Controls] = no_controls
    pictures: int = HISTORY_LIMIT
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        if self.pictures < 1:
            raise UsageError(f"the viewer remembers at least 1 picture, not {self.pictures}")
