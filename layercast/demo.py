"""The demo: receiver, viewer and sender on one machine, joined by a real loopback WebSocket shaped to a slow link."""

import asyncio
import itertools
import webbrowser
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codec.encoder.picture import EncodeOptions, EncodeResult, encode_picture
from codec.image_io import fit_to_canvas, load_picture
from codec.layers import Layer, Priors
from layercast.commands.decode import levels_of
from layercast.commands.options.common import host_and_port
from layercast.console import progress, say
from layercast.contact_sheet import Panel, draw_sheet
from layercast.reports import describe, layer_name
from layercast.samples import sample_paths
from layercast_common.errors import RenderError
from layercast_common.files import make_folder, save_whole
from protocol.link_profiles import LinkProfile
from receiver.events import Event, FrameRendered, LayerArrived, PictureCompleted, PictureFailed, PictureOpened
from receiver.receiver import Receiver
from receiver.viewer import Viewer
from sender.connection.sender import Sender

if TYPE_CHECKING:
    from PIL import Image

    from receiver.rendering.models.model import Model
    from receiver.rendering.settings.settings import Tuning

#: How long a finished picture stays before the next one is sent, in seconds.
PAUSE_SECONDS = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoConfig:
    """What the demo shows.

    Attributes:
        link: the link between sender and receiver.
        image: the picture; the samples in turn if None.
        prompt: what it shows; found if None.
        model, device, steps: as `layercast.render` takes them.
        performance, tuning: as `receiver.rendering.load_model` takes them.
        quiet: say nothing on stderr.
    """

    link: LinkProfile
    image: Path | None
    prompt: str | None
    model: str
    device: str
    performance: str
    tuning: "Tuning"
    steps: int | None
    quiet: bool

    @property
    def images(self) -> list[Path]:
        """The pictures to send, one after the other."""
        return [self.image] if self.image else sample_paths()

    def encode_picture(self, image: Path) -> EncodeResult:
        """The picture as a stream."""
        return encode_picture(image, EncodeOptions(prompt=self.prompt, model=self.model))


async def show(setting: DemoConfig, viewer_address: str, *, open_browser: bool) -> None:
    """Send the pictures in turn and show them in the browser, until cancelled.

    Raises:
        ListenError: the viewer's address is taken.
        CodecError: the picture cannot be read.
        RenderError: the model cannot be had.
    """
    host, port = host_and_port(viewer_address)
    # Before anything is started, so that a wrong path is told at once.
    first = await asyncio.to_thread(setting.encode_picture, setting.images[0])
    viewer = Viewer()
    async with viewer.serve(host, port) as page:
        say(f"loading {setting.model} ...", quiet=setting.quiet)
        done = asyncio.Event()

        def on_event(event: Event) -> None:
            viewer.publish(event)
            if isinstance(event, PictureCompleted | PictureFailed):
                done.set()

        async with Receiver(
            "ws://127.0.0.1:0",
            model=setting.model,
            device=setting.device,
            performance=setting.performance,
            tuning=setting.tuning,
            steps=setting.steps,
            on_event=on_event,
        ) as receiver:
            say(f"watch at {page} - link: {_link_words(setting.link)} - Ctrl-C ends it", quiet=setting.quiet)
            if open_browser:
                await asyncio.to_thread(webbrowser.open, page)
            async with Sender(receiver.url, link=setting.link) as sender:
                for image in itertools.cycle(setting.images):
                    done.clear()
                    composed = (
                        first if image == setting.images[0] else await asyncio.to_thread(setting.encode_picture, image)
                    )
                    await _send(sender, image, composed, quiet=setting.quiet)
                    await done.wait()
                    await asyncio.sleep(PAUSE_SECONDS)


async def run_headless(setting: DemoConfig, folder: Path) -> dict[str, Any]:
    """Send one picture, and write the picture at each level, the stream and a contact sheet into `folder`.

    Returns:
        What was sent, and when each layer came and each frame was drawn, in seconds since the first packet.

    Raises:
        CodecError: the picture cannot be read.
        RenderError: the model cannot be had, or the picture could not be drawn.
        UsageError: the folder cannot be written to.
    """
    from receiver.rendering import load_model

    image = setting.images[0]
    composed = await asyncio.to_thread(setting.encode_picture, image)
    say(f"loading {setting.model} ...", quiet=setting.quiet)
    load = partial(load_model, performance=setting.performance, tuning=setting.tuning)
    model = await asyncio.to_thread(load, setting.model, setting.device)
    events: list[Event] = []
    done = asyncio.Event()

    def on_event(event: Event) -> None:
        events.append(event)
        if isinstance(event, PictureCompleted | PictureFailed):
            done.set()

    async with (
        Receiver("ws://127.0.0.1:0", model=model, steps=setting.steps, on_event=on_event) as receiver,
        Sender(receiver.url, link=setting.link) as sender,
    ):
        # Only now that all else is well, so that a failure leaves no empty folder.
        await asyncio.to_thread(make_folder, folder)
        delivery = await _send(sender, image, composed, quiet=setting.quiet)
        await done.wait()
    for event in events:
        if isinstance(event, PictureFailed):
            raise RenderError(f"{image}: {event.reason}")
    stem = image.stem
    composed.stream.save(folder / f"{stem}.lcast")
    priors = composed.stream.decode()
    drawn = await asyncio.to_thread(_draw_levels, priors, model, composed.stream.header.seed, setting.steps)
    files = {}
    for level, picture in drawn.items():
        files[layer_name(level)] = str(folder / f"{stem}.{layer_name(level)}.png")
        save_whole(picture, Path(files[layer_name(level)]))
    facts = _facts(events)
    sheet = folder / f"{stem}.sheet.png"
    save_whole(_sheet(image, composed, priors, drawn, facts), sheet)
    return (
        describe(composed.stream, folder / f"{stem}.lcast")
        | facts
        | {
            "image": str(image),
            "prompt_source": str(composed.prompt.source),
            "link": {"name": setting.link.name, "bit_per_s": setting.link.rate, "delay_s": setting.link.delay},
            "sent_bytes": delivery.sent,
            "packets": delivery.packets,
            "jpeg_bytes": composed.jpeg_size,
            "jpeg_seconds": 8 * composed.jpeg_size / setting.link.rate if setting.link.rate else None,
            "levels": files,
            "sheet": str(sheet),
        }
    )


async def _send(sender: Sender, image: Path, composed: EncodeResult, *, quiet: bool) -> Any:
    with progress(quiet=quiet) as bars:
        task = bars.add_task(f"sending {image.name}", total=len(composed.stream.sections), note="")

        def advance(step: Any) -> None:
            bars.update(task, completed=step.done, note=f"{layer_name(Layer(step.layer))} {step.seconds:.1f} s")

        return await sender.send(composed.stream, jpeg_size=composed.jpeg_size, on_progress=advance)


def _draw_levels(priors: Priors, model: "Model", seed: int, steps: int | None) -> dict[Layer, "Image.Image"]:
    """The final picture of each level: on a fast link the next layer cuts a level's drawing short."""
    from receiver.rendering import render

    drawn = {}
    for level, known in levels_of(priors, priors.layers):
        for frame in render(known, seed, model=model, steps=steps):
            drawn[level] = frame.image
    return drawn


def _facts(events: list[Event]) -> dict[str, Any]:
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


def _sheet(
    image: Path, composed: EncodeResult, priors: Priors, drawn: dict[Layer, "Image.Image"], facts: dict[str, Any]
) -> "Image.Image":
    from PIL import Image

    canvas = composed.stream.header.canvas
    panels = [
        Panel(
            picture=Image.fromarray(fit_to_canvas(load_picture(image).image, canvas)),
            title="original",
            note=f"{composed.jpeg_size:,} bytes as JPEG",
        )
    ]
    total = composed.stream.size_of(None)
    for level, picture in drawn.items():
        total += composed.stream.size_of(level)
        first = next((f["seconds"] for f in facts["frames"] if f["level"] == layer_name(level)), None)
        when = "" if first is None else f", first seen after {first:.1f} s"
        panels.append(Panel(picture=picture, title=layer_name(level), note=f"{total} bytes so far{when}"))
    if priors.structure:
        panels.append(Panel(picture=Image.fromarray(priors.structure.to_image()), title="lines", note="as received"))
    if priors.texture:
        panels.append(Panel(picture=Image.fromarray(priors.texture.to_image()), title="colours", note="as received"))
    return draw_sheet(panels, priors.semantic.prompt if priors.semantic else "")


def _link_words(link: LinkProfile) -> str:
    rate = f"{link.rate:,.0f} bit/s" if link.rate else "no limit"
    return f"{link.name}, {rate}, {link.delay:g} s away"
