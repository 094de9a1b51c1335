"""The state of the last pictures, folded from events. Pure: states are values, and times come with the events."""

import enum
from dataclasses import dataclass, replace

from codec.layers import Layer
from receiver.events import Event, FrameRendered, LayerArrived, PictureCompleted, PictureFailed, PictureOpened
from receiver.viewer.thumbnails import EncodedImage

#: Default number of remembered pictures. Each holds one JPEG per level and two small PNGs, about 300 kB at 512x512.
HISTORY_LIMIT = 32


class Status(enum.Enum):
    """The status of a picture."""

    RECEIVING = "receiving"
    COMPLETE = "complete"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerState:
    """The state of one layer.

    Attributes:
        layer: the layer.
        sizes: payload bytes of each section, as announced in the offer.
        arrivals: times at which sections were complete, in seconds of the receiver's clock.
        image: the layer as an image; None for text and before arrival.
    """

    layer: Layer
    sizes: tuple[int, ...] = ()
    arrivals: tuple[float, ...] = ()
    image: EncodedImage | None = None

    @property
    def size(self) -> int:
        """Payload bytes of the whole layer."""
        return sum(self.sizes)

    @property
    def arrived_size(self) -> int:
        """Payload bytes received. Sections of a layer arrive in order: each refines the one before."""
        return sum(self.sizes[: len(self.arrivals)])


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameState:
    """The newest frame of one level, encoded; fields as in `receiver.rendering.frames.Frame`."""

    layers: frozenset[Layer]
    step: int
    steps: int
    final: bool
    seconds: float
    at: float
    image: EncodedImage


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureState:
    """The state of one picture.

    Attributes:
        opened: the event that opened the picture.
        version: the history's version when this picture last changed.
        layers: announced or arrived layers, by number.
        prompt: the text, once it has arrived.
        frames: the newest frame of each level; the newest of all is last.
        received: bytes received over the wire.
        first_bytes: bytes received when the picture was opened; any other format would have had them as well.
        status: the status.
        ended_at: time of completion or failure, in seconds of the receiver's clock.
        reason: the reason of the failure.
    """

    opened: PictureOpened
    version: int
    layers: tuple[LayerState, ...]
    prompt: str | None = None
    frames: tuple[FrameState, ...] = ()
    received: int = 0
    first_bytes: float = 0.0
    status: Status = Status.RECEIVING
    ended_at: float | None = None
    reason: str | None = None

    @property
    def id(self) -> str:
        """The picture's name in URLs."""
        return self.opened.picture

    def layer(self, layer: Layer) -> LayerState | None:
        """Return the state of a layer; None unless it was announced or arrived."""
        return next((state for state in self.layers if state.layer is layer), None)

    def frame(self, layers: frozenset[Layer] | None = None) -> FrameState | None:
        """Return the newest frame rendered from exactly these layers, or the newest of all."""
        return next((frame for frame in reversed(self.frames) if layers is None or frame.layers == layers), None)


@dataclass(frozen=True, slots=True)
class History:
    """The last pictures, oldest first.

    Attributes:
        limit: the most pictures to hold.
        version: increases with every change.
        pictures: at most `limit` of them.
    """

    limit: int = HISTORY_LIMIT
    version: int = 0
    pictures: tuple[PictureState, ...] = ()

    def picture(self, name: str) -> PictureState | None:
        """Return a picture by name; None if it is unknown or forgotten."""
        return next((picture for picture in self.pictures if picture.id == name), None)

    def changed_since(self, version: int) -> tuple[PictureState, ...]:
        """Return the pictures that changed after a version."""
        return tuple(picture for picture in self.pictures if picture.version > version)


def fold(history: History, event: Event, image: EncodedImage | None = None) -> History:
    """Return the history after an event. Events of unknown pictures change nothing.

    Args:
        history: the history before.
        event: the event.
        image: the event's image, from `receiver.viewer.thumbnails.encode_image`.
    """
    version = history.version + 1
    known = history.picture(event.picture)
    if isinstance(event, PictureOpened):
        return replace(history, version=version, pictures=_with_opened(history, event, known, version))
    if known is None:
        return history
    changed = replace(_changed(known, event, image), version=version)
    pictures = tuple(changed if picture is known else picture for picture in history.pictures)
    return replace(history, version=version, pictures=pictures)


def _with_opened(
    history: History, event: PictureOpened, known: PictureState | None, version: int
) -> tuple[PictureState, ...]:
    if known is not None:
        # Offered again after a broken connection: earlier layers and frames still count.
        resumed = replace(known, version=version, status=Status.RECEIVING, ended_at=None, reason=None)
        return tuple(resumed if picture is known else picture for picture in history.pictures)
    announced = sorted({section.layer for section in event.sections})
    layers = tuple(
        LayerState(layer=layer, sizes=tuple(section.size for section in event.sections if section.layer is layer))
        for layer in announced
    )
    return (*history.pictures, PictureState(opened=event, version=version, layers=layers))[-history.limit :]


def _changed(
    picture: PictureState,
    event: LayerArrived | FrameRendered | PictureCompleted | PictureFailed,
    image: EncodedImage | None,
) -> PictureState:
    match event:
        case LayerArrived():
            return _with_layer(picture, event, image)
        case FrameRendered():
            return picture if image is None else _with_frame(picture, event, image)
        case PictureCompleted():
            received = max(picture.received, event.received)
            return replace(picture, status=Status.COMPLETE, received=received, ended_at=event.at)
        case PictureFailed():
            return replace(picture, status=Status.FAILED, reason=event.reason, ended_at=event.at)


def _with_layer(picture: PictureState, event: LayerArrived, image: EncodedImage | None) -> PictureState:
    before = picture.layer(event.layer) or LayerState(layer=event.layer)
    after = replace(before, arrivals=(*before.arrivals, event.at), image=image or before.image)
    others = (state for state in picture.layers if state is not before)
    first_bytes = picture.first_bytes
    if not picture.received:
        since = (event.at - picture.opened.at) * picture.opened.rate / 8
        first_bytes = max(0.0, event.received - since)
    return replace(
        picture,
        layers=tuple(sorted((*others, after), key=lambda state: state.layer)),
        prompt=picture.prompt if event.priors.semantic is None else event.priors.semantic.prompt,
        received=max(picture.received, event.received),
        first_bytes=first_bytes,
    )


def _with_frame(picture: PictureState, event: FrameRendered, image: EncodedImage) -> PictureState:
    frame = event.frame
    newest = FrameState(
        layers=frame.layers,
        step=frame.step,
        steps=frame.steps,
        final=frame.final,
        seconds=frame.seconds,
        at=event.at,
        image=image,
    )
    others = (other for other in picture.frames if other.layers != frame.layers)
    return replace(picture, frames=(*others, newest))
