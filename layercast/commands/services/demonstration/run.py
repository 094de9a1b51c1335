"""The demo: receiver, viewer and sender on one machine, over a loopback WebSocket that emulates a slow link."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codec.encoder.options import EncodeOptions, Order
from codec.encoder.picture import EncodeResult, encode_picture
from codec.layers import Layer, Priors
from layercast.commands.services.demonstration.config import DemoConfig
from layercast.commands.services.demonstration.link import emulated_link
from layercast.commands.services.demonstration.queue import PictureQueue
from layercast.commands.services.demonstration.report import draw_demo_sheet, timing_row
from layercast.commands.services.receive_events import event_line
from layercast.console import progress, say
from layercast.levels import levels_of
from layercast.reports import describe, layer_name
from layercast_common.errors import RenderError
from layercast_common.files import make_folder, save_whole
from layercast_common.tasks import run_abandonable
from protocol.link_profiles import LinkProfile
from receiver.events import Event, PictureCompleted, PictureFailed, PictureOpened
from receiver.options import RenderOptions
from receiver.receiver import Receiver
from receiver.viewer import Viewer
from receiver.viewer.control.controls import Controls
from sender.connection.delivery import Delivery, Progress
from sender.connection.layer_order import prioritize
from sender.connection.sender import Sender

if TYPE_CHECKING:
    from PIL import Image

    from receiver.rendering.models.model import Model

#: How long a finished picture is shown before the next one is sent, in seconds.
PAUSE_SECONDS = 6.0


async def send_all(config: DemoConfig, viewer: Viewer, on_ready: Callable[[Controls], None]) -> None:
    """Load the model, then send the pictures one after the other and show them on the page, until cancelled.

    Args:
        config: the configuration.
        viewer: the page, which is served already.
        on_ready: called with the page's controls once the model is loaded.

    Raises:
        CodecError: the picture cannot be read.
        RenderError: the model cannot be loaded.
    """
    queue = PictureQueue(config.images, _encoding(config))
    # Before the model, so that a wrong path is reported at once.
    picture = await queue.next()
    say(f"loading {config.model} ...", quiet=config.quiet)
    done = asyncio.Event()

    def on_event(event: Event) -> None:
        viewer.publish(event)
        if isinstance(event, PictureOpened):
            viewer.show_original(event.picture, picture.original)
        if isinstance(event, PictureCompleted | PictureFailed):
            done.set()

    render = RenderOptions(
        model=config.model,
        device=config.device,
        performance=config.performance,
        tuning=config.tuning,
        steps=config.steps,
    )
    async with (
        Receiver("ws://127.0.0.1:0", on_event=on_event, render=render) as receiver,
        emulated_link(config.link, receiver.url) as (link, sender),
    ):
        queue.order = lambda: link.order
        on_ready(Controls(redraw=receiver.redraw, link=link, send=queue.accept))
        while True:
            done.clear()
            await _send(sender, picture.name, picture.encoded, quiet=config.quiet, order=link.order)
            await done.wait()
            await queue.wait(PAUSE_SECONDS)
            picture = await queue.next()


async def run_headless(config: DemoConfig, folder: Path) -> dict[str, Any]:
    """Send one picture, and write the picture at each level, the stream and a contact sheet into `folder`.

    Returns:
        A report for JSON: stream, delivery, and the times of layers and frames in seconds since the first packet.

    Raises:
        CodecError: the picture cannot be read.
        RenderError: the model cannot be loaded, or the picture cannot be rendered.
        StorageError: the folder cannot be written.
    """
    from receiver.rendering import load_model

    image = config.images[0]
    encoded = await run_abandonable(partial(_encode, config, image), name="encoding")
    say(f"loading {config.model} ...", quiet=config.quiet)
    load = partial(load_model, performance=config.performance, tuning=config.tuning)
    model = await run_abandonable(partial(load, config.model, config.device), name="loading")
    events: list[Event] = []
    done = asyncio.Event()

    def on_event(event: Event) -> None:
        events.append(event)
        if line := event_line(event):
            say(f"  {line}", quiet=config.quiet)
        if isinstance(event, PictureCompleted | PictureFailed):
            done.set()

    async with (
        Receiver(
            "ws://127.0.0.1:0", on_event=on_event, render=RenderOptions(model=model, steps=config.steps)
        ) as receiver,
        Sender(receiver.url, link=config.link) as sender,
    ):
        # Only now, so that an earlier failure leaves no empty folder.
        await asyncio.to_thread(make_folder, folder)
        say(f"sending {image.name} over {_describe_link(config.link)} ...", quiet=config.quiet)
        delivery = await _send(sender, image.name, encoded, quiet=config.quiet)
        await done.wait()
    for event in events:
        if isinstance(event, PictureFailed):
            raise RenderError(f"{image}: {event.reason}")
    stem = image.stem
    encoded.stream.save(folder / f"{stem}.lcast")
    priors = encoded.stream.decode()
    say("rendering each level to its end ...", quiet=config.quiet)
    levels = partial(_render_levels, priors, model, encoded.stream.header.seed, config.steps)
    rendered = await run_abandonable(levels, name="rendering")
    files = {}
    for level, picture in rendered.items():
        files[layer_name(level)] = str(folder / f"{stem}.{layer_name(level)}.png")
        save_whole(picture, Path(files[layer_name(level)]))
    timing = timing_row(events)
    sheet = folder / f"{stem}.sheet.png"
    save_whole(draw_demo_sheet(image, encoded, priors, rendered, timing), sheet)
    return (
        describe(encoded.stream, folder / f"{stem}.lcast")
        | timing
        | {
            "image": str(image),
            "prompt_source": str(encoded.prompt.source),
            "link": {"name": config.link.name, "bit_per_s": config.link.rate, "delay_s": config.link.delay},
            "sent_bytes": delivery.sent,
            "packets": delivery.packets,
            "jpeg_bytes": encoded.jpeg_size,
            "jpeg_seconds": 8 * encoded.jpeg_size / config.link.rate if config.link.rate else None,
            "levels": files,
            "sheet": str(sheet),
        }
    )


def _encode(config: DemoConfig, image: Path) -> EncodeResult:
    """Encode a picture.

    Raises:
        CodecError: the picture or its prompt cannot be read.
    """
    return encode_picture(image, _encoding(config))


def _encoding(config: DemoConfig) -> EncodeOptions:
    return EncodeOptions(prompt=config.prompt, model=config.model)


async def _send(sender: Sender, name: str, encoded: EncodeResult, *, quiet: bool, order: str = Order.PAPER) -> Delivery:
    with progress(quiet=quiet) as bars:
        task = bars.add_task(f"sending {name}", total=len(encoded.stream.sections), note="")

        def on_progress(step: Progress) -> None:
            bars.update(task, completed=step.done, note=f"{layer_name(Layer(step.layer))} {step.seconds:.1f} s")

        stream = encoded.stream
        return await sender.send_sections(
            stream.header.to_bytes(),
            prioritize(stream.sections, order),
            jpeg_size=encoded.jpeg_size,
            on_progress=on_progress,
        )


def _render_levels(priors: Priors, model: "Model", seed: int, steps: int | None) -> dict[Layer, "Image.Image"]:
    """Render each level to its end: on a fast link, the next layer interrupts the rendering of a level."""
    from receiver.rendering import render

    rendered = {}
    for level, known in levels_of(priors, priors.layers):
        for frame in render(known, seed, model=model, steps=steps):
            rendered[level] = frame.image
    return rendered


def _describe_link(link: LinkProfile) -> str:
    rate = f"{link.rate:,.0f} bit/s" if link.rate else "unlimited"
    return f"{link.name}, {rate}, {link.delay:g} s delay"
