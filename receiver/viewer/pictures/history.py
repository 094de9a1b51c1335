"""The state of the last pictures, folded from events. Pure: states are values, and times come with the events."""

from dataclasses import replace
from typing import Any

from receiver.events import (
    Event,
    FrameRendered,
    LayerArrived,
    PictureCompleted,
    PictureFailed,
    PictureOpened,
    VariantDrawn,
)
from receiver.rendering.frames import Frame
from receiver.viewer.pictures.state import (
    MAX_FRAMES,
    MAX_VARIANTS,
    Arrival,
    FrameState,
    History,
    LayerState,
    PictureState,
    RivalStage,
    Status,
    VariantState,
)
from receiver.viewer.pictures.thumbnails import EncodedImage


def fold(history: History, event: Event, image: EncodedImage | None = None) -> History:
    """Return the history after an event. Events of unknown pictures change nothing.

    Args:
        history: the history before.
        event: the event.
        image: the event's image, from `receiver.viewer.pictures.thumbnails.encode_image`.
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


def with_original(history: History, name: str, original: EncodedImage) -> History:
    """Return the history after the original of a picture became known."""
    return _updated(history, name, original=original)


def with_rivals(history: History, name: str, stages: tuple[RivalStage, ...]) -> History:
    """Return the history after more was computed of what other formats show."""
    picture = history.picture(name)
    return history if picture is None else _updated(history, name, rivals=(*picture.rivals, *stages))


def with_picture(history: History, picture: PictureState) -> History:
    """Return the history with a whole picture, such as a recorded one, as the newest; it replaces one of its name."""
    version = history.version + 1
    others = tuple(other for other in history.pictures if other.id != picture.id)
    pictures = (*others, replace(picture, version=version))[-history.limit :]
    return replace(history, version=version, pictures=pictures)


def with_past(history: History, past: tuple[PictureState, ...]) -> History:
    """Return the history with earlier pictures before those that it holds, as far as there is room."""
    version = history.version + 1
    fresh = tuple(replace(one, version=version) for one in past if history.picture(one.id) is None)
    return replace(history, version=version, pictures=(*fresh, *history.pictures)[-history.limit :])


def _updated(history: History, name: str, **changes: Any) -> History:
    known = history.picture(name)
    if known is None:
        return history
    version = history.version + 1
    changed = replace(known, version=version, **changes)
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
    event: LayerArrived | FrameRendered | PictureCompleted | PictureFailed | VariantDrawn,
    image: EncodedImage | None,
) -> PictureState:
    match event:
        case LayerArrived():
            return _with_layer(picture, event, image)
        case FrameRendered():
            return picture if image is None else _with_frame(picture, event, image)
        case VariantDrawn():
            return _with_variant(picture, event, image)
        case PictureCompleted():
            received = max(picture.received, event.received)
            return replace(picture, status=Status.COMPLETE, received=received, ended_at=event.at, stream=event.stream)
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
    received = max(picture.received, event.received)
    size = before.sizes[len(before.arrivals)] if len(before.arrivals) < len(before.sizes) else 0
    arrival = Arrival(layer=event.layer, size=size, at=event.at, received=received)
    return replace(
        picture,
        layers=tuple(sorted((*others, after), key=lambda state: state.layer)),
        arrivals=(*picture.arrivals, arrival),
        prompt=picture.prompt if event.priors.semantic is None else event.priors.semantic.prompt,
        received=received,
        first_bytes=first_bytes,
    )


def _with_frame(picture: PictureState, event: FrameRendered, image: EncodedImage) -> PictureState:
    newest = _frame_state(picture, event.frame, event.at, image)
    return replace(picture, shown=_thinned((*picture.shown, newest)))


def _with_variant(picture: PictureState, event: VariantDrawn, image: EncodedImage | None) -> PictureState:
    before = next((one for one in picture.variants if one.number == event.number), None)
    frame = before.frame if before else None
    if event.frame is not None and image is not None:
        frame = _frame_state(picture, event.frame, event.at, image)
    after = VariantState(number=event.number, change=event.change, frame=frame, notes=event.notes, reason=event.reason)
    if before is not None:
        return replace(picture, variants=tuple(after if one is before else one for one in picture.variants))
    return replace(picture, variants=(*picture.variants, after)[-MAX_VARIANTS:])


def _frame_state(picture: PictureState, frame: Frame, at: float, image: EncodedImage) -> FrameState:
    return FrameState(
        layers=frame.layers,
        step=frame.step,
        steps=frame.steps,
        final=frame.final,
        seconds=frame.seconds,
        at=at,
        received=picture.received,
        image=image,
    )


def _thinned(shown: tuple[FrameState, ...]) -> tuple[FrameState, ...]:
    """Drop every second frame that is not the newest of its level, once there are more than `MAX_FRAMES`."""
    if len(shown) <= MAX_FRAMES:
        return shown
    newest = {frame.layers: frame for frame in shown}.values()
    kept, dropping = [], False
    for frame in shown:
        needed = any(frame is other for other in newest)
        if needed or not dropping:
            kept.append(frame)
        dropping = dropping if needed else not dropping
    return tuple(kept)
