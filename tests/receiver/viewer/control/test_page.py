"""The controls of the page in a real browser: draw again, change the link, send a picture."""

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from PIL import Image

from codec.layers import Layer
from evaluation.simulation.links.profiles import named_link
from evaluation.simulation.live.api import LiveApi
from evaluation.simulation.live.proxy import LiveLink
from receiver.change import PictureChange
from receiver.events import VariantDrawn
from receiver.rendering.frames import Frame
from receiver.viewer import Viewer, ViewerOptions
from receiver.viewer.control.controls import Controls
from tests.support.browser import NEEDS_BROWSER, SCREENS, Page, find_axe, publish
from tests.support.scenes import Scene

TEXT, LINES, COLOURS = Layer.SEMANTIC, Layer.STRUCTURE, Layer.TEXTURE

pytestmark = NEEDS_BROWSER

TYPE = """
    const field = document.getElementById(arguments[0]);
    field.value = arguments[1];
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.dispatchEvent(new Event("change", { bubbles: true }));
"""
DROP = """
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 64;
    canvas.toBlob((blob) => {
      const data = new DataTransfer();
      data.items.add(new File([blob], "dropped.png", { type: "image/png" }));
      const event = arguments[0] === "paste" ? new ClipboardEvent("paste", { clipboardData: data }) :
        new DragEvent("drop", { dataTransfer: data, bubbles: true });
      dispatchEvent(event);
    });
"""
NAMES = "return [...document.querySelectorAll('.level b')].map((one) => one.innerText)"


@dataclass
class Steered:
    """A page whose controls publish what the program around it would."""

    page: Page
    live: LiveLink
    changes: list[PictureChange] = field(default_factory=list)
    pictures: list[tuple[Image.Image, str | None]] = field(default_factory=list)

    def redraw(self, picture: str, change: PictureChange, stream: object = None) -> int:
        self.changes.append(change)
        number = len(self.changes)
        publish(self.page, VariantDrawn(picture=picture, number=number, change=change, at=104.0))
        return number

    async def send(self, body: bytes, *, prompt: str | None) -> int:
        self.pictures.append((Image.open(io.BytesIO(body), formats=("PNG", "JPEG")), prompt))
        return len(self.pictures)

    def drawn(self, number: int, *layers: Layer, shade: int, notes: tuple[str, ...] = ()) -> VariantDrawn:
        image = Image.new("RGB", (96, 64), (shade, shade, shade))
        frame = Frame(image=image, layers=frozenset(layers), step=4, steps=4, final=True, seconds=1.0)
        change = self.changes[number - 1]
        return VariantDrawn(picture="p1", number=number, change=change, frame=frame, notes=notes, at=105.0)


@pytest_asyncio.fixture
async def steered(driver: Any) -> AsyncIterator[Steered]:
    holder: list[Steered] = []
    async with LiveLink(named_link("gsm"), target=("127.0.0.1", 1), listen=("127.0.0.1", 0)) as live:
        api = LiveApi(live, {"profile": "gsm"})

        def controls() -> Controls:
            return Controls(redraw=holder[0].redraw, link=api, send=holder[0].send) if holder else Controls()

        viewer = Viewer(ViewerOptions(clock=lambda: 104.5, controls=controls))
        page = Page(driver, viewer)
        holder.append(Steered(page, live))
        async with viewer.serve("127.0.0.1", 0) as url:
            await page.screen("laptop")
            await page.open(url)
            await page.reads("#connection", "live")
            yield holder[0]
            assert await page.console() == []
            await page.open("about:blank")


async def test_a_picture_is_drawn_again_with_the_keyboard_alone(steered: Steered) -> None:
    page = steered.page
    publish(page, *Scene().whole())
    await page.shows_shade(30)
    await page.press("e")
    await page.sees("steer-title", "return document.activeElement.id")
    # From the title over the button that closes to the words.
    await page.press("\ue004\ue004")
    await page.sees("edited", "return document.activeElement.id")
    await page.press(" e")
    # Over the text to the lines, over the colours to the seed, to the steps; Enter draws.
    await page.press("\ue004\ue004 \ue004\ue0049\ue0045\ue006")
    await page.sees(["Text only", "+ lines", "+ colours", "other words, without lines, seed 9, 5 steps"], NAMES)
    (change,) = steered.changes
    assert change.layers == frozenset({TEXT, COLOURS})
    assert change.prompt is not None
    assert change.prompt.endswith(" e")
    assert (change.seed, change.steps) == (9, 5)
    publish(page, steered.drawn(1, TEXT, COLOURS, shade=90, notes=("the bit planes were replaced",)))
    await page.shows_shade(90)
    assert await page.text("#redraw-status") == "the bit planes were replaced."
    assert await page.text("#drawn-from") == "Drawn from text and colours"
    # Others that arrive do not take the picture away; what was sent is one click away.
    publish(page, *Scene(name="p2", prompt="another").whole())
    await page.sees(2, "return document.querySelectorAll('#history li').length")
    await page.click(".level:nth-child(3)")
    await page.shows_shade(30)
    await page.press("\ue00c")
    await page.sees("steer-open", "return document.activeElement.id")
    assert await page.run("return document.getElementById('steer').hidden")


async def test_a_skipped_level_is_drawn_when_asked_for(steered: Steered) -> None:
    page, scene = steered.page, Scene()
    publish(page, *[event for event in scene.whole() if event != scene.whole()[4]])
    await page.reads(".level:nth-child(2) small", "skipped: draw")
    await page.click(".level:nth-child(2)")
    await page.reads(".level:nth-child(2) small", "being drawn")
    assert steered.changes == [PictureChange(layers=frozenset({TEXT, LINES}))]
    publish(page, steered.drawn(1, TEXT, LINES, shade=70))
    await page.reads(".level:nth-child(2) small", "360 bytes")
    assert await page.run(NAMES) == ["Text only", "+ lines", "+ colours"]
    await page.click(".level:nth-child(2)")
    await page.shows_shade(70)


async def test_the_link_changes_on_the_page(steered: Steered) -> None:
    page = steered.page
    await page.click("#steer-open")
    await page.sees("9,600 bit/s", "return document.querySelector('#link-rate + output').innerText")
    await page.run(TYPE, "link-profile", "iridium")
    await page.sees("2,400 bit/s", "return document.querySelector('#link-rate + output').innerText")
    await page.run(TYPE, "link-loss", "20")
    await page.click("#link-down")
    await page.reads("#link-down", "Bring it up")
    there = steered.live.link.there
    assert (there.rate, there.loss.mean, steered.live.down) == (2400, 0.2, True)
    assert await page.run("return document.getElementById('link-order').closest('p').hidden")


async def test_pictures_are_dropped_pasted_and_taken(steered: Steered) -> None:
    page = steered.page
    await page.click("#steer-open")
    await page.run(TYPE, "send-prompt", "a red barn")
    await page.run(DROP, "drop")
    await page.reads("#send-status", "dropped.png is sent next.")
    await page.run(DROP, "paste")
    await page.reads("#send-status", "dropped.png is number 2 in line.")
    await page.click("#send-camera")
    await page.sees(True, "return document.getElementById('camera-view').videoWidth > 0")
    await page.click("#camera-take")
    await page.reads("#send-status", "the photograph is number 3 in line.")
    assert await page.run("return document.getElementById('camera-view').srcObject") is None
    assert [prompt for _, prompt in steered.pictures] == ["a red barn", None, None]
    assert steered.pictures[0][0].size == (64, 64)
    assert steered.pictures[2][0].format == "JPEG"


@pytest.mark.skipif(find_axe() is None, reason="needs axe-core")
async def test_axe_finds_no_serious_fault_and_nothing_overflows(steered: Steered) -> None:
    page = steered.page
    publish(page, *Scene().whole())
    await page.shows_shade(30)
    steered.changes.append(PictureChange(prompt="a barn"))
    publish(page, steered.drawn(1, TEXT, LINES, shade=70))
    await page.click("#steer-open")
    await page.sees(True, "return document.getElementById('link-counters').innerText !== ''")
    for screen in SCREENS:
        await page.screen(screen)
        for theme in ("dark", "light"):
            await page.run("document.documentElement.dataset.theme = arguments[0]", theme)
            assert await page.serious_faults() == []
        assert await page.run("return document.documentElement.scrollWidth <= innerWidth")


async def test_audiences_have_no_controls(driver: Any, steered: Steered) -> None:
    page = steered.page
    await page.open(str(page.viewer.url) + "show")
    await page.reads("#connection", "live")
    assert await page.run("return getComputedStyle(document.getElementById('steer-open')).display") == "none"
    await page.press("e")
    await asyncio.sleep(0.1)
    assert await page.run("return document.getElementById('steer').hidden")
