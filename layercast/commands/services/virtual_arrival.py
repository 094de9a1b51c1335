"""A stream's arrival over a link, computed: sections arrive in virtual time, frames take their time here."""

import collections
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from codec.container.bitstream import Bitstream
from codec.layers import Layer, Priors
from protocol.link_profiles import LinkProfile
from receiver.events import Event, FrameRendered, LayerArrived, PictureCompleted, PictureOpened, SectionSize
from receiver.rendering.start import WARM_UP_STEPS
from receiver.viewer.pictures.history import fold
from receiver.viewer.pictures.state import History, PictureState
from receiver.viewer.pictures.thumbnails import encode_image

if TYPE_CHECKING:
    from receiver.rendering.models.model import Model

#: Bytes that a packet adds to its payload on the wire: about what `layercast bench protocol` measures.
FRAMING = 16


def virtual_arrival(
    stream: Bitstream,
    model: "Model",
    link: LinkProfile,
    *,
    name: str,
    steps: int | None = None,
    on_change: Callable[[PictureState], None] = lambda _: None,
) -> PictureState:
    """Return the arrival of a stream as the page would show it, as a recording.

    Args:
        stream: the stream.
        model: draws it.
        link: its rate decides when sections arrive; without one, all arrive at once.
        name: the picture's name.
        steps: denoising steps; the model's own number if None.
        on_change: called with the arrival so far, after each section and frame.

    Raises:
        BitstreamError: a section does not decode.
        RenderError: the picture cannot be drawn.
    """
    history = History()
    for event in _events(stream, model, link, name, steps):
        history = fold(history, event, encode_image(event))
        on_change(history.pictures[0])
    return history.pictures[0]


def arrival_name(stem: str) -> str:
    """Return a picture's name from a file's, with what a name may contain."""
    return re.sub(r"[^A-Za-z0-9_]+", "-", stem).strip("-")[:64] or "picture"


def _events(
    stream: Bitstream,
    model: "Model",
    link: LinkProfile,
    name: str,
    steps: int | None,
) -> Iterator[Event]:
    sections = [section for section in stream.sections if section.layer in set(Layer)]
    yield PictureOpened(
        picture=name,
        canvas=stream.header.canvas,
        model=stream.header.model,
        seed=stream.header.seed,
        sections=tuple(SectionSize(layer=Layer(one.layer), size=len(one.payload)) for one in sections),
        rate=link.rate,
        jpeg_size=0,
        at=0.0,
    )
    received = len(stream.header.to_bytes()) + FRAMING
    first = received + len(sections[0].to_bytes()) if sections else received
    arrivals: list[tuple[float, int]] = []
    for section in sections:
        received += len(section.to_bytes()) + (FRAMING if arrivals else 0)
        # Times count from the first packet, which holds the header and the first section.
        arrivals.append((8 * (received - first) / link.rate if link.rate else 0.0, received))
    # Draw before the times count, in few steps: the first frames of a process also load code and choose kernels.
    few = min(steps or WARM_UP_STEPS, WARM_UP_STEPS)
    for count in (1, len(sections)):
        known = Bitstream(stream.header, tuple(sections[:count])).decode()
        collections.deque(_frames(known, model, stream.header.seed, 0.0, few, name), maxlen=0)
    now, late = 0.0, None
    for index, (arrived, total) in enumerate(arrivals):
        known = Bitstream(stream.header, tuple(sections[: index + 1])).decode()
        layer = Layer(sections[index].layer)
        yield LayerArrived(picture=name, layer=layer, priors=known, received=total, at=arrived)
        following = arrivals[index + 1][0] if index + 1 < len(arrivals) else float("inf")
        if late is not None:
            if late.at > following:
                continue
            yield late
            now, late = late.at, None
        now = max(now, arrived)
        for frame in _frames(known, model, stream.header.seed, now, steps, name):
            if frame.at > following:
                # A section that arrives meanwhile joins or restarts a denoising run. A restoration is one pass.
                late = frame if frame.frame.steps == 1 else None
                break
            now = frame.at
            yield frame
    yield PictureCompleted(picture=name, received=received, at=now, stream=stream.to_bytes())


def _frames(
    priors: Priors, model: "Model", seed: int, start: float, steps: int | None, name: str
) -> Iterator[FrameRendered]:
    """Draw a level from a time on."""
    from receiver.rendering import render

    if priors.layers:
        for frame in render(priors, seed, model=model, steps=steps):
            yield FrameRendered(picture=name, frame=frame, at=start + frame.seconds)
