"""The report of a headless demo: times, and a contact sheet."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from codec.canvas import fit_to_canvas
from codec.encoder.picture import EncodeResult
from codec.image_io import load_picture
from codec.layers import Layer, Priors
from layercast.contact_sheet import Panel, draw_sheet
from layercast.reports import layer_name
from receiver.events import Event, FrameRendered, LayerArrived, PictureOpened

if TYPE_CHECKING:
    from PIL import Image


def timing_row(events: list[Event]) -> dict[str, Any]:
    """Return the times of layers and frames, in seconds since the first packet, as a JSON object."""
    began = next(event.at for event in events if isinstance(event, PictureOpened))
    return {
        "layers_seconds": {layer_name(e.layer): e.at - began for e in events if isinstance(e, LayerArrived)},
        "received_bytes": max(event.received for event in events if isinstance(event, LayerArrived)),
        "frames": [
            {
                "seconds": event.at - began,
                "level": layer_name(event.frame.level),
                "step": event.frame.step,
                "steps": event.frame.steps,
                "final": event.frame.final,
                "engine_seconds": event.frame.seconds,
            }
            for event in events
            if isinstance(event, FrameRendered)
        ],
    }


def draw_demo_sheet(
    image: Path, encoded: EncodeResult, priors: Priors, rendered: dict[Layer, "Image.Image"], timing: dict[str, Any]
) -> "Image.Image":
    """Draw the contact sheet: the original, each rendered level, lines and colours.

    Args:
        image: the picture file.
        encoded: the encoded picture.
        priors: its decoded layers.
        rendered: the picture at each level.
        timing: a result of `timing_row`.
    """
    from PIL import Image

    canvas = encoded.stream.header.canvas
    panels = [
        Panel(
            picture=Image.fromarray(fit_to_canvas(load_picture(image).image, canvas)),
            title="original",
            note=f"{encoded.jpeg_size:,} bytes as JPEG",
        )
    ]
    total = encoded.stream.size_of(None)
    for level, picture in rendered.items():
        total += encoded.stream.size_of(level)
        first = next((f["seconds"] for f in timing["frames"] if f["level"] == layer_name(level)), None)
        when = "" if first is None else f", first seen after {first:.1f} s"
        panels.append(Panel(picture=picture, title=layer_name(level), note=f"{total} bytes so far{when}"))
    if priors.structure:
        panels.append(Panel(picture=Image.fromarray(priors.structure.to_image()), title="lines", note="as received"))
    if priors.texture:
        panels.append(Panel(picture=Image.fromarray(priors.texture.to_image()), title="colours", note="as received"))
    return draw_sheet(panels, priors.semantic.prompt if priors.semantic else "")
