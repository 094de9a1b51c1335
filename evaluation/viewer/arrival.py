"""The events of a recorded arrival, to publish it again."""

from collections.abc import Iterator

from codec.container.bitstream import Bitstream
from codec.layers import Layer
from receiver.events import Event, FrameRendered, LayerArrived, PictureCompleted
from receiver.rendering.frames import Frame
from receiver.viewer.pictures.state import PictureState
from receiver.viewer.pictures.thumbnails import open_own


def events_of(picture: PictureState) -> list[Event]:
    """Return the events of a recorded arrival, by time.

    Raises:
        BitstreamError: the recorded stream does not decode.
    """
    events: list[LayerArrived | FrameRendered] = [*_layers(picture), *_frames(picture)]
    events.sort(key=lambda event: event.at)
    end = max([picture.ended_at or 0.0, *(event.at for event in events)])
    done = PictureCompleted(picture=picture.id, received=picture.received, at=end, stream=picture.stream)
    return [picture.opened, *events, done]


def _layers(picture: PictureState) -> Iterator[LayerArrived]:
    stream = Bitstream.from_bytes(picture.stream)
    sections = [section for section in stream.sections if section.layer in set(Layer)]
    for count, arrival in enumerate(picture.arrivals, 1):
        priors = Bitstream(stream.header, tuple(sections[:count])).decode()
        yield LayerArrived(
            picture=picture.id, layer=arrival.layer, priors=priors, received=arrival.received, at=arrival.at
        )


def _frames(picture: PictureState) -> Iterator[FrameRendered]:
    for shown in picture.shown:
        image = open_own(shown.image.data).convert("RGB").resize(picture.opened.canvas)
        frame = Frame(
            image=image,
            layers=shown.layers,
            step=shown.step,
            steps=shown.steps,
            final=shown.final,
            seconds=shown.seconds,
        )
        yield FrameRendered(picture=picture.id, frame=frame, at=shown.at)
