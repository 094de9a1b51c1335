"""The page in a real browser: headless Chromium, driven by Selenium."""

from typing import Any

import pytest

from codec.layers import Layer
from receiver.viewer import Viewer, ViewerOptions
from tests.receiver.viewer.test_login import PERMISSIONS
from tests.support.browser import NEEDS_BROWSER, SCREENS, Page, publish
from tests.support.scenes import Scene

TEXT, LINES, COLOURS, DETAIL = Layer.SEMANTIC, Layer.STRUCTURE, Layer.TEXTURE, Layer.DETAIL

pytestmark = NEEDS_BROWSER


async def test_nothing_there_yet(page: Page) -> None:
    await page.reads("#empty-title", "Waiting for a picture")
    assert await page.text("#command") == "layercast send photo.jpg --to ws://192.0.2.7:8765"
    assert await page.run("return getComputedStyle(document.getElementById('show')).display") == "none"


async def test_a_picture_arrives_layer_by_layer(page: Page) -> None:
    scene = Scene()
    publish(page, scene.opened())
    await page.reads("#drawn-from", "The picture is about to be drawn")
    await page.reads('.layer[data-layer="semantic"] .layer-note', "waiting for 60 bytes")

    publish(page, scene.layer(TEXT, 0.0, 75))
    await page.reads(".prompt", scene.prompt)
    await page.reads("#words", scene.prompt)
    await page.reads("#received", "75")
    assert await page.text('.layer[data-layer="semantic"] .layer-note') == "60 bytes, in the first packet"
    assert await page.text('.layer[data-layer="structure"] .layer-note') == "waiting for 300 bytes"
    assert (await page.text("#announcer")).startswith("Text arrived: 60 bytes")

    publish(page, scene.frame(TEXT, step=1, steps=4, shade=60))
    await page.shows_shade(60)
    assert await page.text("#step") == "step 1 of 4"
    publish(page, scene.frame(TEXT, step=4, steps=4, shade=80))
    await page.shows_shade(80)
    assert await page.text("#step") == "finished, 4 steps"
    assert await page.text("#drawn-from") == "Drawn from text"

    publish(page, scene.layer(LINES, 1.0, 390), scene.frame(TEXT, LINES, shade=120))
    await page.shows_shade(120)
    assert await page.run("return document.querySelector('.layer[data-layer=structure] img').naturalWidth") == 512
    publish(page, scene.layer(COLOURS, 1.3, 480), scene.frame(TEXT, LINES, COLOURS, shade=160), scene.completed())
    await page.shows_shade(160)
    await page.reads("#clock-label", "until complete")
    assert await page.text("#clock") == "3.0"
    assert await page.text("#bpp") == "0.6250"
    assert await page.text("#ours-share") == "100 %"
    assert await page.text("#announcer") == "The picture is complete, after 3.0 s."
    alt = await page.run("return document.querySelector('#canvas img').alt")
    assert alt == f"{scene.prompt} (drawn from text, lines and colours)"


BOXES = """
    const parts = "#canvas, .level, .layer:not([hidden]), .layer:not([hidden]) .layer-body, .race, #history";
    return [...document.querySelectorAll(parts)].map((one) => {
      const box = one.getBoundingClientRect();
      return [box.x, box.y, box.width, box.height].map(Math.round);
    });
"""


@pytest.mark.parametrize("screen", SCREENS)
async def test_detail_arrives_and_nothing_jumps(page: Page, screen: str) -> None:
    scene = Scene.with_planes()
    await page.screen(screen)
    publish(page, scene.opened(), scene.layer(TEXT, 0.0, 75), scene.frame(TEXT, shade=10))
    await page.shows_shade(10)
    assert await page.text('.layer[data-layer="detail"] .layer-note') == "waiting for 800 bytes"
    assert await page.run("return [...document.querySelectorAll('.layer:not([hidden])')].length") == 3
    assert await page.run("return document.querySelectorAll('#ours .part').length") == 3
    before = await page.run(BOXES)
    publish(page, scene.layer(COLOURS, 1.0, 290), scene.frame(TEXT, COLOURS, step=1, steps=1, shade=20))
    await page.shows_shade(20)
    assert await page.text("#step") == "finished"
    publish(page, scene.layer(DETAIL, 2.0, 600), scene.frame(TEXT, COLOURS, DETAIL, step=1, steps=1, shade=30))
    await page.shows_shade(30)
    assert await page.text('.layer[data-layer="detail"] .layer-note') == "300 of 800 bytes"
    await page.sees(96, "return document.querySelector('.layer[data-layer=detail] img').naturalWidth")
    publish(page, scene.layer(DETAIL, 3.0, 1110), scene.frame(TEXT, COLOURS, DETAIL, step=1, steps=1, shade=40))
    await page.shows_shade(40)
    assert await page.text('.layer[data-layer="detail"] .layer-note') == "800 bytes, at 3.0 s"
    levels = "return [...document.querySelectorAll('.level b')].map((one) => one.innerText)"
    assert await page.run(levels) == ["Text only", "+ colours", "+ detail"]
    assert await page.text("#drawn-from") == "Drawn from text, colours and detail"
    assert await page.run(BOXES) == before
    publish(page, scene.completed())
    await page.reads("#clock-label", "until complete")
    assert await page.run(BOXES) == before
    publish(page, *Scene(name="p2").whole())
    await page.shows_shade(30)
    assert await page.run("return document.querySelector('.layer[data-layer=detail]').hidden")


@pytest.mark.parametrize("screen", SCREENS)
async def test_the_notes_of_layers_are_whole(page: Page, screen: str) -> None:
    await page.screen(screen)
    # On a wide picture the panel beside it is narrow, and four layers share it.
    scene = Scene(canvas=(576, 384))
    publish(page, scene.opened(), scene.layer(TEXT, 0.0, 75))
    await page.reads('.layer[data-layer="structure"] .layer-note', "waiting for 300 bytes")
    cut = (
        "return [...document.querySelectorAll('.layer-note')].filter((one) => one.scrollWidth > one.clientWidth).length"
    )
    assert await page.run(cut) == 0
    publish(page, *scene.whole()[1:])
    await page.reads('.layer[data-layer="structure"] .layer-note', "300 bytes, at 1.0 s")
    assert await page.run(cut) == 0


async def test_the_comparison_moves(page: Page) -> None:
    publish(page, Scene(rate=24_000.0).opened(), Scene().layer(TEXT))
    await page.sees(True, "return document.getElementById('comparison').innerText.length > 0")
    sentence = await page.text("#comparison")
    assert sentence.startswith(
        "A JPEG of this picture (quality 75, 38.2 kB) would need 12.7 s on this 24,000 bit/s link; "
    )
    share = "return parseFloat(document.getElementById('theirs-share').innerText)"
    before = await page.run(share)
    await page.sees(True, f"{share} > arguments[0]", before)


async def test_no_comparison_without_rate_or_size(page: Page) -> None:
    publish(page, *Scene(rate=0.0).whole())
    await page.reads("#clock-label", "until complete")
    assert await page.run("return document.getElementById('jpeg-lane').hidden")
    assert await page.text("#comparison") == ""


@pytest.mark.parametrize(
    "prompt",
    [
        "<img src=x onerror=\"document.title='owned'\">",
        "</p><script>document.title='owned'</script>",
        "&lt;b&gt; \"quoted\" 'and' `ticked` ${document.title='owned'}",
        "zażółć 画像 🏞 \u202eright to left",
        "escapes \x1b[31m\x07 \u2028 \u2066 \ufffe ]]> --> javascript:document.title='owned'",
        "a long walk " * 5000,
    ],
    ids=["handler", "script", "entities", "foreign", "controls", "60 kB"],
)
async def test_prompts_are_text(page: Page, prompt: str) -> None:
    publish(page, *Scene(prompt=prompt).whole())
    await page.reads("#clock-label", "until complete")
    shown = "return document.querySelector('.prompt').textContent"
    assert await page.run(shown) == prompt
    assert await page.run("return document.querySelector('.prompt').childElementCount") == 0
    assert await page.run("return document.querySelectorAll('[onerror], main script').length") == 0
    assert await page.run("return document.title") == "layercast"


async def test_levels_can_be_compared(page: Page) -> None:
    publish(page, *Scene().whole())
    await page.shows_shade(30)
    levels = "return [...document.querySelectorAll('.level b')].map((one) => one.innerText)"
    assert await page.run(levels) == ["Text only", "+ lines", "+ colours"]
    await page.click(".level:nth-child(1)")
    await page.shows_shade(10)
    assert await page.text("#drawn-from") == "Drawn from text"
    await page.click(".level:nth-child(2)")
    await page.shows_shade(20)
    assert await page.run("return document.querySelector('.level:nth-child(2)').ariaPressed") == "true"
    await page.click(".level:nth-child(2)")
    await page.shows_shade(30)


async def test_looking_back_and_returning_to_live(page: Page) -> None:
    from selenium.webdriver.common.keys import Keys

    for name, prompt in [("one", "first"), ("two", "second"), ("three", "third")]:
        publish(page, *Scene(name=name, prompt=prompt).whole())
    await page.reads(".prompt", "third")
    await page.sees(3, "return document.querySelectorAll('#history li button').length")
    assert await page.run("return document.getElementById('live').hidden")
    await page.click("#history li:nth-child(1) button")
    await page.reads(".prompt", "first")
    # What comes now does not take the picture away from somebody who looks back.
    publish(page, *Scene(name="four", prompt="fourth").whole())
    await page.sees(4, "return document.querySelectorAll('#history li').length")
    assert await page.text(".prompt") == "first"
    await page.press(Keys.ARROW_RIGHT)
    await page.reads(".prompt", "second")
    await page.press(Keys.ARROW_LEFT)
    await page.reads(".prompt", "first")
    await page.click("#live")
    await page.reads(".prompt", "fourth")
    await page.press(Keys.ARROW_LEFT)
    await page.reads(".prompt", "third")
    await page.press(Keys.ESCAPE)
    await page.reads(".prompt", "fourth")


async def test_failure_is_told(page: Page) -> None:
    scene = Scene()
    publish(page, *scene.whole()[:3], scene.failed("the sender <b>went</b> away"))
    await page.reads("#drawn-from", "Failed: the sender <b>went</b> away")
    await page.reads('.layer[data-layer="structure"] .layer-note', "not received")


@pytest.mark.parametrize("canvas", [(96, 64), (64, 96), (200, 24), (64, 64)])
async def test_nothing_overflows_and_the_stage_keeps_its_shape(page: Page, canvas: tuple[int, int]) -> None:
    scene = Scene(canvas=canvas, prompt="word " * 100 + "x" * 300)
    publish(page, scene.opened())
    await page.sees("picture", "return document.body.dataset.view")
    box = """
        const box = document.getElementById("canvas").getBoundingClientRect();
        return [box.x, box.y, box.width, box.height];
    """
    before = await page.run(box)
    publish(page, *scene.whole()[1:])
    await page.shows_shade(30)
    assert await page.run(box) == before
    assert before[2] / before[3] == pytest.approx(canvas[0] / canvas[1], rel=0.02)
    assert await page.run("return document.documentElement.scrollWidth <= innerWidth")


async def test_connection_returns_by_itself(driver: Any) -> None:
    viewer = Viewer(ViewerOptions(clock=lambda: 104.0))
    page = Page(driver, viewer)
    async with viewer.serve("127.0.0.1", 0) as url:
        await page.open(url)
        publish(page, *Scene(prompt="before").whole())
        await page.reads(".prompt", "before")
    await page.reads("#connection", "connection lost, trying again")
    assert await page.text(".prompt") == "before"
    publish(page, *Scene(name="p2", prompt="after").whole())
    port = int(url.rstrip("/").rpartition(":")[2])
    async with viewer.serve("127.0.0.1", port):
        await page.reads("#connection", "live")
        await page.reads(".prompt", "after")
    await page.open("about:blank")
    await page.console()


async def test_a_person_logs_in(driver: Any) -> None:
    viewer = Viewer(ViewerOptions(permissions=PERMISSIONS))
    async with viewer.serve("127.0.0.1", 0) as url:
        page = Page(driver, viewer)
        await page.open(url)
        for token in ("wrong", "watcher"):
            await page.sees("", "return document.getElementById('token')?.value")
            await page.run("document.getElementById('token').value = arguments[0]", token)
            await page.click("button")
        await page.reads("#connection", "live")
        publish(page, *Scene().whole())
        await page.shows_shade(30)
        assert await page.run("return document.cookie") == ""
        assert "watcher" not in await page.run("return location.href")
        await page.open("about:blank")
    # The refused login is an error to the browser; nothing else may be.
    told = [line["message"] for line in await page.console()]
    assert [message for message in told if " status of 40" not in message] == []
