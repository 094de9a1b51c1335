"""Recorded arrivals: found in files and archives, drawn where only the stream is known, shown or exported."""

import asyncio
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from codec.canvas import fit_to_canvas
from codec.container.bitstream import Bitstream
from codec.image_io import load_picture
from layercast.commands.options.values import host_and_port
from layercast.commands.services.virtual_arrival import arrival_name, virtual_arrival
from layercast.console import progress, report, say
from layercast_common.errors import UsageError
from layercast_common.files import save_whole
from protocol.link_profiles import LinkProfile
from receiver.archive.library import Library
from receiver.viewer import Viewer, ViewerOptions
from receiver.viewer.export.animation import animate
from receiver.viewer.export.html import arrival_page
from receiver.viewer.pictures.recording import SUFFIX, recording_to_bytes
from receiver.viewer.pictures.recording_file import load_recording
from receiver.viewer.pictures.rivals import with_comparison
from receiver.viewer.pictures.state import HISTORY_LIMIT, PictureState
from receiver.viewer.shown import open_entry

if TYPE_CHECKING:
    from receiver.rendering.models.model import Model
    from receiver.rendering.settings.tuning import Tuning


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayConfig:
    """Configuration of a replay.

    Attributes:
        paths: recorded arrivals, streams and archives.
        speed: how many times faster.
        original: the original of the stream; None if unknown.
        link: the link that streams are drawn for.
        model, device, steps: as for `layercast.render`; only streams need them.
        performance, tuning: as for `receiver.rendering.load_model`.
        quiet: write nothing to stderr.
    """

    paths: tuple[Path, ...]
    speed: float
    original: Path | None
    link: LinkProfile
    model: str
    device: str
    performance: str
    tuning: "Tuning"
    steps: int | None
    quiet: bool


async def show(config: ReplayConfig, viewer_address: str, *, open_browser: bool, json: bool) -> None:
    """Show the arrivals on the page until cancelled.

    Raises:
        ListenError: the viewer's address is in use.
        StorageError, BitstreamError: a file cannot be read, or is damaged.
        UsageError: the viewer's address is not valid, or there is nothing to show.
    """
    host, port = host_and_port(viewer_address)
    archives = [path for path in config.paths if path.is_dir()]
    library = Library(archives[0]) if archives else None
    viewer = Viewer(ViewerOptions(speed=config.speed, library=library, preload=False))
    async with viewer.serve(host, port) as page:
        if json:
            report({"event": "Listening", "viewer": page})
        say(f"page at {page}; Ctrl-C stops", quiet=config.quiet)
        for picture in await asyncio.to_thread(load_arrivals, config):
            viewer.show_recording(picture)
        if open_browser:
            await asyncio.to_thread(webbrowser.open, page)
        await asyncio.Event().wait()


def export(config: ReplayConfig, output: Path, *, json: bool) -> None:
    """Write one arrival as a file; the newest if there are several.

    Raises:
        StorageError, BitstreamError: a file cannot be read or written, or is damaged.
        PictureError: no frame was shown.
        UsageError: there is nothing to export.
    """
    picture = load_arrivals(config)[-1]
    match output.suffix:
        case ".html":
            data = arrival_page(picture).encode()
        case ".webp":
            data = animate(picture, speed=config.speed)
        case _:
            data = recording_to_bytes(picture)
    save_whole(data, output)
    if json:
        report({"output": str(output), "bytes": len(data), "picture": picture.id, "frames": len(picture.shown)})
    else:
        say(f"written: {output}, {len(data):,} bytes, {len(picture.shown)} frames", quiet=config.quiet)


def load_arrivals(config: ReplayConfig) -> list[PictureState]:
    """Return the arrivals of all paths, oldest first; streams are drawn as if they arrived over the link.

    Raises:
        StorageError, BitstreamError: a file cannot be read, or is damaged.
        RenderError: the model cannot be loaded, or a stream cannot be drawn.
        UsageError: there is nothing to show.
    """
    pictures: list[PictureState] = []
    model: Model | None = None
    for path in config.paths:
        if path.is_dir():
            library = Library(path)
            entries = library.search(limit=HISTORY_LIMIT)
            pictures += [one for entry in reversed(entries) if (one := open_entry(library, entry)) and one.shown]
        elif path.suffix == SUFFIX:
            pictures.append(load_recording(path))
        else:
            stream = Bitstream.load(path)
            model = model or _load_model(config)
            pictures.append(_draw(config, path, stream, model))
    if not pictures:
        raise UsageError(f"{', '.join(map(str, config.paths))}: no picture there has been drawn")
    return pictures


def _load_model(config: ReplayConfig) -> "Model":
    from receiver.rendering import load_model

    say(f"loading {config.model} ...", quiet=config.quiet)
    return load_model(config.model, config.device, performance=config.performance, tuning=config.tuning)


def _draw(config: ReplayConfig, path: Path, stream: Bitstream, model: "Model") -> PictureState:
    original = None if config.original is None else load_picture(config.original).image
    with progress(quiet=config.quiet) as bars:
        task = bars.add_task(f"drawing {path.name}", total=len(stream.sections), note="")
        picture = virtual_arrival(
            stream,
            model,
            config.link,
            name=arrival_name(path.stem),
            steps=config.steps,
            on_change=lambda so_far: bars.update(task, completed=len(so_far.arrivals)),
        )
        if original is None:
            return picture
        bars.update(task, note="comparing")
        return with_comparison(picture, Image.fromarray(fit_to_canvas(original, stream.header.canvas)))
