"""What happens to a picture at the receiver, told to viewers, archives and callers alike."""

from dataclasses import dataclass

from codec.layers import Layer, Priors, Size
from receiver.rendering.frames import Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionSize:
    """One section as the offer announces it: its layer, and its payload's size in bytes."""

    layer: Layer
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureOpened:
    """The first packet of a picture came.

    Attributes:
        picture: the receiver's own name of the picture, safe in file names and addresses.
        canvas: (width, height) in pixels.
        model: the model that the sender had in mind.
        seed: the seed of the starting noise.
        sections: what will come.
        rate: the link's rate as the sender told it, in bit/s; 0 if unknown.
        jpeg_size: bytes of a JPEG of the original as the sender told it; 0 if unknown.
        at: when, in seconds of the receiver's clock.
    """

    picture: str
    canvas: Size
    model: str
    seed: int
    sections: tuple[SectionSize, ...]
    rate: float
    jpeg_size: int
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerArrived:
    """A section is complete, and the priors know more than before.

    Attributes:
        picture: as in `PictureOpened`.
        layer: the layer that got better.
        priors: all that is known of the picture now.
        received: bytes of the picture that came over the wire so far, packet framing included.
        at: when, in seconds of the receiver's clock.
    """

    picture: str
    layer: Layer
    priors: Priors
    received: int
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameRendered:
    """A better frame of the picture is there."""

    picture: str
    frame: Frame
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureCompleted:
    """Every layer came and the last frame is drawn."""

    picture: str
    received: int
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFailed:
    """The picture cannot be finished; `reason` is one line for a person."""

    picture: str
    reason: str
    at: float


Event = PictureOpened | LayerArrived | FrameRendered | PictureCompleted | PictureFailed
