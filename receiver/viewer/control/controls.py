"""What the page may control, as given by the program around the viewer. Nothing by default."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Union

from PIL import Image

from receiver.change import PictureChange

if TYPE_CHECKING:
    from codec.container.bitstream import Bitstream

#: Limit of denoising steps that a visitor may ask for: each costs the device time.
MAX_VISITOR_STEPS = 50

#: Limits of a picture that a visitor sends, and of an original to compare with, in bytes.
MAX_UPLOAD, MAX_ORIGINAL = 32 * 1024 * 1024, 4 * 1024 * 1024


class Redraw(Protocol):
    """Draws a picture again: `Receiver.redraw`."""

    def __call__(self, picture: str, change: PictureChange, stream: Union["Bitstream", None] = None) -> int:
        """Start a variant and return its number; raises `RenderError` or `UsageError`."""


class LinkControl(Protocol):
    """An emulated link that changes while pictures travel."""

    def state(self) -> dict[str, Any]:
        """Return the link's values and counters, for JSON."""

    def change(self, changes: Any) -> None:
        """Change the link by a decoded JSON object; raises `UsageError` and changes nothing if it is wrong."""

    def cut(self) -> None:
        """Break all connections."""


class Intake(Protocol):
    """A sender that takes pictures from the page."""

    async def __call__(self, body: bytes, *, prompt: str | None) -> int:
        """Encode a picture file and put it in line; return the number of pictures in line.

        Raises `CodecError`, `UsageError`, or `OutboxFullError` if the line is full.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """What visitors may do; None forbids it.

    Attributes:
        redraw: draws pictures with changes.
        link: the emulated link.
        send: takes pictures.
        original: takes the original of a picture by name, a PIL image: `Viewer.show_original`.
    """

    redraw: Redraw | None = None
    link: LinkControl | None = None
    send: Intake | None = None
    original: Callable[[str, Image.Image], None] | None = None

    @property
    def names(self) -> list[str]:
        """The names of what the page shows controls for."""
        return [name for name in ("redraw", "link", "send") if getattr(self, name) is not None]


def no_controls() -> Controls:
    """Return controls that allow nothing."""
    return Controls()
