"""Make the pictures of docs/gallery.md and README: the page in headless Chromium, and arrivals as animations.

scripts/screenshots            all of them, into docs/images/
scripts/screenshots --pages    only those of the page, which need no model

The page shows the recorded arrival of the first sample, so that a picture changes only if the page does. Arrivals are
drawn here by `mini`, as if they came over a link.
"""

import argparse
import asyncio
import io
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from PIL import Image

from codec.encoder.options import EncodeOptions
from codec.encoder.picture import encode_picture
from evaluation.simulation.links.profiles import named_link
from evaluation.simulation.live.api import LiveApi
from evaluation.simulation.live.proxy import LiveLink
from layercast.commands.services.virtual_arrival import virtual_arrival
from layercast.samples import recorded_path, sample_paths
from protocol.link_profiles import LINKS
from receiver.change import PictureChange
from receiver.viewer import Viewer, ViewerOptions
from receiver.viewer.control.controls import Controls
from receiver.viewer.export.animation import animate
from receiver.viewer.pictures.recording import recording_from_bytes
from receiver.viewer.pictures.state import VariantState
from tests.support.browser import CHROMIUM, DRIVER, Page, chromium

FOLDER = Path(__file__).parents[2] / "docs" / "images"

#: WebP quality of screenshots.
QUALITY = 80

#: Samples whose arrivals the gallery shows, and the link.
ARRIVALS, LINK = ("02.png", "04.png", "05.png"), "gsm"

_SLIDE = """
    const slider = document.getElementById("scrub");
    slider.focus();
    slider.value = arguments[0];
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    slider.blur();
"""
_THEME = "document.documentElement.dataset.theme = arguments[0]"
_CHOOSE = """
    const select = document.getElementById(arguments[0]);
    select.value = arguments[1];
    select.dispatchEvent(new Event("change", { bubbles: true }));
"""
_READY = """
    const shown = document.querySelectorAll("#layer-a img").length === 1;
    return shown && [...document.images].every((one) => one.complete);
"""


async def _page(page: Page) -> None:
    await page.run(_THEME, "dark")


async def _slider(page: Page) -> None:
    await page.run(_THEME, "dark")
    await page.run(_SLIDE, 480)


async def _compare(page: Page) -> None:
    await page.run(_THEME, "light")
    await page.press("c")
    for side, key in (("left", "here"), ("right", "rival:JPEG")):
        await page.run(_CHOOSE, side, key)
    await page.sees(True, "return document.querySelectorAll('#layer-b img').length === 1")


async def _steer(page: Page) -> None:
    await page.run(_THEME, "light")
    await page.press("e")
    await page.sees(True, "return document.getElementById('link-counters').innerText !== ''")


async def _presenter(page: Page) -> None:
    await page.run(_THEME, "dark")
    await page.press("p")


#: The screenshots: name, screen, and what to do before.
SHOTS: tuple[tuple[str, str, Callable[[Page], Awaitable[None]]], ...] = (
    ("viewer", "laptop", _page),
    ("slider", "laptop", _slider),
    ("compare", "laptop", _compare),
    ("steer", "laptop", _steer),
    ("presenter", "projector", _presenter),
    ("phone", "phone", _page),
)


class _Visitor:
    """Controls that answer and do nothing: the screenshots only show them."""

    def redraw(self, picture: str, change: PictureChange, stream: object = None) -> int:
        return 1

    async def send(self, body: bytes, *, prompt: str | None) -> int:
        return 1


async def take_screenshots(folder: Path) -> None:
    """Write the screenshots into a folder."""
    recording = recording_from_bytes(recorded_path().read_bytes(), name="sample")
    variant = VariantState(number=1, change=PictureChange(prompt="a lighthouse at night"), frame=recording.shown[0])
    link = LiveLink(named_link("iridium"), target=("127.0.0.1", 1), listen=("127.0.0.1", 0))
    api, visitor = LiveApi(link, {"profile": "iridium"}), _Visitor()
    with tempfile.TemporaryDirectory() as profile, chromium(Path(profile)) as driver:
        for name, screen, prepare in SHOTS:
            controls = Controls(redraw=visitor.redraw, link=api, send=visitor.send) if name == "steer" else Controls()
            # The page does not play the recording by itself: every screenshot shows the same moment.
            viewer = Viewer(ViewerOptions(controls=lambda controls=controls: controls))  # type: ignore[misc]
            viewer.show_recording(replace(recording, variants=(variant,) if name == "steer" else ()), autoplay=False)
            async with viewer.serve("127.0.0.1", 0) as url:
                page = Page(driver, viewer)
                await page.screen(screen)
                await page.open(url)
                await page.sees("picture", "return document.body.dataset.view")
                await page.sees(True, _READY)
                await prepare(page)
                await page.sees(True, _READY)
                await asyncio.sleep(1)
                _save(await asyncio.to_thread(driver.get_screenshot_as_png), folder / f"{name}.webp")
                await page.open("about:blank")


def draw_arrivals(folder: Path) -> None:
    """Write animations of samples that arrive over a link, drawn here."""
    from receiver.rendering import load_model

    model = load_model("mini", "cpu")
    for path in sample_paths():
        if path.name in ARRIVALS:
            stream = encode_picture(path, EncodeOptions(budget=655)).stream
            arrival = virtual_arrival(stream, model, LINKS[LINK], name=path.stem)
            (folder / f"arrival-{path.stem}.webp").write_bytes(animate(arrival))


def _save(png: bytes, path: Path) -> None:
    with Image.open(io.BytesIO(png), formats=("PNG",)) as image:
        if image.width > 1280:
            image.thumbnail((1280, 1280), Image.Resampling.LANCZOS)
        image.convert("RGB").save(path, "WEBP", quality=QUALITY, method=6)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="scripts/screenshots", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pages", action="store_true", help="only the screenshots of the page")
    parser.add_argument("--out", type=Path, default=FOLDER, metavar="DIR", help="default: docs/images")
    options = parser.parse_args(arguments)
    if not (CHROMIUM and DRIVER):
        sys.stderr.write(
            "screenshots need chromium and chromedriver; on Debian: apt install chromium chromium-driver\n"
        )
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    asyncio.run(take_screenshots(options.out))
    if not options.pages:
        draw_arrivals(options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
