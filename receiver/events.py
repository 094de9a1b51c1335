"""Events of a picture at the receiver, for the application, the viewer and metrics."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from codec.container.guess import Guess
from codec.layer_numbers import Layer, Size
from receiver.change import PictureChange
from receiver.rendering.frames import Frame

if TYPE_CHECKING:
    from codec.layers import Priors


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionSize:
    """An announced section: its layer, and the size of its payload in bytes."""

    layer: Layer
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureOpened:
    """The first packet of a picture arrived.

    Attributes:
        picture: the receiver's name of the picture, safe in file names and URLs.
        canvas: (width, height) in pixels.
        model: the model that the sender intended.
        seed: seed of the initial noise.
        sections: the announced sections.
        rate: the link's rate as the sender measured it, in bit/s; 0 if unknown.
        jpeg_size: size of the original as JPEG, in bytes; 0 if unknown.
        at: time in seconds of the receiver's clock.
        guess: the origin of the prompt if a program guessed it.
    """

    picture: str
    canvas: Size
    model: str
    seed: int
    sections: tuple[SectionSize, ...]
    rate: float
    jpeg_size: int
    at: float
    guess: Guess | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerArrived:
    """A section is complete and improved the priors.

    Attributes:
        picture: as in `PictureOpened`.
        layer: the layer of the section.
        priors: the priors of all complete sections.
        received: bytes of the picture received so far, packet framing included.
        at: time in seconds of the receiver's clock.
    """

    picture: str
    layer: Layer
    priors: "Priors"
    received: int
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameRendered:
    """A better frame of the picture is rendered."""

    picture: str
    frame: Frame
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureCompleted:
    """All layers arrived and the final frame is rendered.

    Attributes:
        picture: as in `PictureOpened`.
        received: bytes received, packet framing included.
        at: time in seconds of the receiver's clock.
        stream: the whole `.lcast` stream.
    """

    picture: str
    received: int
    at: float
    stream: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFailed:
    """The picture cannot be completed; `reason` is one line for a person."""

    picture: str
    reason: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantDrawn:
    """A variant, a picture that is drawn again with changes, began, has a better frame, or failed.

    Attributes:
        picture: as in `PictureOpened`.
        number: the variant's number.
        change: how it differs from the picture as it was sent.
        frame: its newest frame; None before the first.
        notes: remarks for a person on what was changed besides.
        reason: why it failed, one line for a person; None if it did not.
        at: time in seconds of the receiver's clock.
    """

    picture: str
    number: int
    change: PictureChange
    frame: Frame | None = None
    notes: tuple[str, ...] = ()
    reason: str | None = None
    at: float


Event = PictureOpened | LayerArrived | FrameRendered | PictureCompleted | PictureFailed | VariantDrawn
