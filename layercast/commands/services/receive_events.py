"""Events of a receiver as text for people and as JSON."""

from typing import Any

from layercast.reports import layer_name
from receiver.events import (
    Event,
    FrameRendered,
    LayerArrived,
    PictureCompleted,
    PictureFailed,
    PictureOpened,
    VariantDrawn,
)


def event_line(event: Event) -> str | None:
    """Return an event as a line for a person; None for those that are too frequent."""
    match event:
        case PictureOpened():
            sizes = ", ".join(f"{layer_name(section.layer)} {section.size}" for section in event.sections)
            return f"{event.picture}: {event.canvas[0]}x{event.canvas[1]}, offered: {sizes} bytes"
        case LayerArrived():
            return f"{event.picture}: {layer_name(event.layer)} after {event.received} bytes"
        case FrameRendered(frame=frame) if frame.final:
            return f"{event.picture}: rendered up to {layer_name(frame.level)} in {frame.seconds:.2f} s"
        case PictureCompleted():
            return f"{event.picture}: complete, {event.received} bytes"
        case PictureFailed():
            return f"{event.picture}: {event.reason}"
    return None


def event_row(event: Event) -> dict[str, Any]:
    """Return an event as a JSON object, without pixels."""
    row: dict[str, Any] = {"event": type(event).__name__, "picture": event.picture, "at": event.at}
    match event:
        case PictureOpened():
            sections = [{"layer": layer_name(section.layer), "bytes": section.size} for section in event.sections]
            row |= {"canvas": event.canvas, "model": event.model, "seed": event.seed, "sections": sections}
        case LayerArrived():
            row |= {"layer": layer_name(event.layer), "received": event.received}
        case FrameRendered(frame=frame):
            row |= {
                "level": layer_name(frame.level),
                "step": frame.step,
                "steps": frame.steps,
                "final": frame.final,
                "seconds": frame.seconds,
            }
        case PictureCompleted():
            row |= {"received": event.received}
        case PictureFailed():
            row |= {"reason": event.reason}
        case VariantDrawn(frame=frame):
            row |= {"variant": event.number, "reason": event.reason, "final": frame is not None and frame.final}
    return row
