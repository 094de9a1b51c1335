"""The present state of the last pictures, folded from events. Pure: states are values, and time comes with events."""

import enum
from dataclasses import dataclass, replace

from codec.layers import Layer
from receiver.events import Event, FrameRendered, LayerArrived, PictureCompleted, PictureFailed, PictureOpened
from receiver.viewer.thumbnails import EncodedImage

#: Pictures that are remembered. Each keeps one JPEG per level and two small PNGs, about 300 kB at 512x512.
HISTORY_LIMIT = 32


class Status(enum.Enum):
    """How far a picture is."""

    RECEIVING = "receiving"
    COMPLETE = "complete"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerState:
    """What came of one layer.

    Attributes:
        layer: which.
        sizes: payload bytes of each of its sections, as the offer announced them.
        arrivals: when each section that is here was complete, in seconds of the receiver's clock.
        drawing: the layer made visible; None for text and for what is not here.
    """

    layer: Layer
    sizes: tuple[int, ...] = ()
    arrivals: tuple[float, ...] = ()
    drawing: EncodedImage | None = None

    @property
    def size(self) -> int:
        """Payload bytes of the whole layer."""
        return sum(self.sizes)

    @property
    def arrived_size(self) -> int:
        """Payload bytes that are here. Sections of a layer come in their order: each decodes on top of the last."""
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
    drawing: EncodedImage


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureState:
    """All that a watcher can see of one picture.

    Attributes:
        opened: the event that opened it.
        version: the history's version when this picture last changed.
        layers: by layer number; those announced or arrived.
        prompt: the text, once it is here.
        frames: the newest of each level, the newest of all last.
        received: bytes that came over the wire.
        first_bytes: bytes that had come when the picture was opened: what any other format would have had by then.
        status: how far it is.
        ended_at: when it was complete or failed, in seconds of the receiver's clock.
        reason: why it failed.
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
        """The picture's name in addresses."""
        return self.opened.picture

    def layer(self, layer: Layer) -> LayerState | None:
        """The state of one layer, if it was announced or arrived."""
        return next((state for state in self.layers if state.layer is layer), None)

    def frame(self, layers: frozenset[Layer] | None = None) -> FrameState | None:
        """The newest frame rendered from exactly these layers, or the newest of all."""
        return next((frame for frame in reversed(self.frames) if layers is None or frame.layers == layers), None)


@dataclass(frozen=True, slots=True)
class History:
    """The last pictures, oldest first.

    Attributes:
        limit: how many are kept.
        version: grows with every change.
        pictures: at most `limit` of them.
    """

    limit: int = HISTORY_LIMIT
    version: int = 0
    pictures: tuple[PictureState, ...] = ()

    def picture(self, name: str) -> PictureState | None:
        """The picture of that name, if it is still remembered."""
        return next((picture for picture in self.pictures if picture.id == name), None)

    def changed_since(self, version: int) -> tuple[PictureState, ...]:
        """The pictures that changed after the history had that version."""
        return tuple(picture for picture in self.pictures if picture.version > version)


def fold(history: History, event: Event, drawing: EncodedImage | None = None) -> History:
    """The history after an event; the same one if the event is about a picture that is not remembered.

    Args:
        drawing: what the event shows, from `receiver.viewer.thumbnails.draw`.
    """
    version = history.version + 1
    known = history.picture(event.picture)
    if isinstance(event, PictureOpened):
        return replace(history, version=version, pictures=_with_opened(history, event, known, version))
    if known is None:
        return history
    changed = replace(_changed(known, event, drawing), version=version)
    pictures = tuple(changed if picture is known else picture for picture in history.pictures)
    return replace(history, version=version, pictures=pictures)


def _with_opened(
    history: History, event: PictureOpened, known: PictureState | None, version: int
) -> tuple[PictureState, ...]:
    if known is not None:
        # Offered again after a broken connection: what came before still counts.
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
    drawing: EncodedImage | None,
) -> PictureState:
    match event:
        case LayerArrived():
            return _with_layer(picture, event, drawing)
        case FrameRendered():
            return picture if drawing is None else _with_frame(picture, event, drawing)
        case PictureCompleted():
            received = max(picture.received, event.received)
            return replace(picture, status=Status.COMPLETE, received=received, ended_at=event.at)
        case PictureFailed():
            return replace(picture, status=Status.FAILED, reason=event.reason, ended_at=event.at)


def _with_layer(picture: PictureState, event: LayerArrived, drawing: EncodedImage | None) -> PictureState:
    before = picture.layer(event.layer) or LayerState(layer=event.layer)
    after = replace(before, arrivals=(*before.arrivals, event.at), drawing=drawing or before.drawing)
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


def _with_frame(picture: PictureState, event: FrameRendered, drawing: EncodedImage) -> PictureState:
    frame = event.frame
    newest = FrameState(
        layers=frame.layers,
        step=frame.step,
        steps=frame.steps,
        final=frame.final,
        seconds=frame.seconds,
        at=event.at,
        drawing=drawing,
    )
    others = (other for other in picture.frames if other.layers != frame.layers)
    return replace(picture, frames=(*others, newest))
