"""The demo's page: there at once, with the recorded arrival of a sample while the model loads."""

import asyncio
import contextlib
import webbrowser
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

from layercast.commands.options.values import host_and_port
from layercast.console import say
from layercast.samples import recorded_path
from receiver.viewer import Viewer, ViewerOptions
from receiver.viewer.control.controls import Controls
from receiver.viewer.pictures.recording import recording_from_bytes

if TYPE_CHECKING:
    from layercast.commands.services.demonstration.config import DemoConfig
    from protocol.link_profiles import LinkProfile

#: Loading the model waits so long for a page, and gives it so long to draw the recorded arrival, in seconds.
WAIT_SECONDS, DRAW_SECONDS = 3.0, 1.0

_LOADING = "Loading the model. Meanwhile, this is the recorded arrival of a sample picture."


async def show(config: "DemoConfig", viewer_address: str, *, open_browser: bool) -> None:
    """Serve the page, and send the pictures one after the other, until cancelled.

    Args:
        config: the configuration.
        viewer_address: HOST:PORT of the page.
        open_browser: open the page in a browser.

    Raises:
        ListenError: the viewer's address is in use.
        CodecError: the picture cannot be read.
        RenderError: the model cannot be loaded.
        UsageError: the viewer's address is not valid.
    """
    host, port = host_and_port(viewer_address)
    controls: Controls | None = None
    viewer = Viewer(ViewerOptions(note=lambda: None if controls else _LOADING, controls=lambda: controls or Controls()))

    def on_ready(available: Controls) -> None:
        nonlocal controls
        controls = replace(available, **dict.fromkeys(set(available.names) - config.allow))
        viewer.refresh()

    async with viewer.serve(host, port) as page:
        viewer.show_recording(recording_from_bytes(recorded_path().read_bytes(), name="sample"))
        say(f"page at {page}; link: {_describe_link(config.link)}; Ctrl-C stops", quiet=config.quiet)
        if open_browser:
            await asyncio.to_thread(webbrowser.open, page)
        await _let_page_draw(viewer)
        # Coders, network and renderer take seconds to import: in a thread, so that the page answers meanwhile.
        demo = await asyncio.to_thread(import_module, "layercast.commands.services.demonstration.run")
        await demo.send_all(config, viewer, on_ready)


async def _let_page_draw(viewer: Viewer) -> None:
    """Wait until a page that is opened at once shows the recorded arrival: loading the model uses every processor."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(WAIT_SECONDS):
            await viewer.wait_for_watcher()
            await asyncio.sleep(DRAW_SECONDS)


def _describe_link(link: "LinkProfile") -> str:
    rate = f"{link.rate:,.0f} bit/s" if link.rate else "unlimited"
    return f"{link.name}, {rate}, {link.delay:g} s delay"
