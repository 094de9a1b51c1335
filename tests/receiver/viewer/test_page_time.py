"""The slider through an arrival, and two sides beside each other, in a real browser."""

import pytest
from PIL import Image

from codec.layers import Layer
from receiver.viewer.pictures.rivals import fitted_names
from tests.support.browser import NEEDS_BROWSER, SCREENS, Page, find_axe, publish
from tests.support.pictures import draw_picture
from tests.support.scenes import Scene

TEXT, LINES, COLOURS = Layer.SEMANTIC, Layer.STRUCTURE, Layer.TEXTURE

pytestmark = NEEDS_BROWSER

SLIDE = """
    const slider = document.getElementById("scrub");
    slider.focus();
    slider.value = arguments[0];
    slider.dispatchEvent(new Event("input", { bubbles: true }));
"""
CHOOSE = """
    const select = document.getElementById(arguments[0]);
    select.value = arguments[1];
    select.dispatchEvent(new Event("change", { bubbles: true }));
"""
SIDE_B = "return document.querySelector('#layer-b img')?.naturalWidth ?? 0"


async def arrived(page: Page) -> None:
    """Publish a picture of 3 seconds: frames at 0.5, 1.5 and 2.5 s."""
    publish(page, *Scene().whole())
    await page.shows_shade(30)
    await page.reads("#moment", "3.0 s, 480 bytes")


async def test_the_slider_goes_back_through_the_arrival(page: Page) -> None:
    await arrived(page)
    assert await page.run("return document.querySelectorAll('.mark').length") == 3
    await page.run(SLIDE, 600)  # 1.8 s: lines and colours have arrived, text and lines are drawn
    await page.shows_shade(20)
    assert await page.text("#moment") == "1.8 s, 480 bytes"
    assert await page.text("#drawn-from") == "Drawn from text and lines"
    await page.run(SLIDE, 200)  # 0.6 s
    await page.shows_shade(10)
    assert await page.text("#received") == "75"
    assert await page.text('.layer[data-layer="structure"] .layer-note') == "waiting for 300 bytes"
    assert not await page.run("return document.querySelector('.layer[data-layer=structure] img')")
    await page.click("#live")
    await page.shows_shade(30)
    assert await page.text("#received") == "480"


async def test_the_slider_goes_by_bytes(page: Page) -> None:
    await arrived(page)
    await page.run(CHOOSE, "axis", "bytes")
    await page.run(SLIDE, 800)  # 384 of 480 bytes, just before the lines are complete
    await page.reads("#moment", "1.0 s, 75 bytes")
    await page.run(SLIDE, 850)
    await page.reads("#moment", "1.1 s, 390 bytes")


async def test_the_arrival_is_played(page: Page) -> None:
    await arrived(page)
    await page.run(CHOOSE, "speed", "0.25")
    await page.click("#play")
    await page.shows_shade(10)
    assert await page.run("return document.getElementById('play').ariaLabel") == "Pause"
    await page.run(CHOOSE, "speed", "16")
    await page.shows_shade(30)
    await page.sees("Play the arrival", "return document.getElementById('play').ariaLabel")


async def test_keys_do_everything(page: Page) -> None:
    from selenium.webdriver.common.keys import Keys

    await arrived(page)
    await page.run("document.activeElement.blur()")
    # Stops at 2.5, 1.5, 1.3 and 1.0 s: frames, and sections of which no frame shows anything yet.
    for key, shade in [(",", 30), (",", 20), (",", 10), (",", 10), (".", 10), (".", 20), (Keys.ESCAPE, 30)]:
        await page.press(key)
        await page.shows_shade(shade)
    await page.press("[")
    await page.shows_shade(20)
    await page.press("]")
    await page.shows_shade(30)
    await page.press("+")
    await page.sees("true", "return document.getElementById('canvas').dataset.zoomed")
    await page.press("0")
    await page.sees("false", "return document.getElementById('canvas').dataset.zoomed")
    await page.press("?")
    assert await page.run("return document.getElementById('keys').open")
    await page.press(Keys.ENTER)
    await page.sees(False, "return document.getElementById('keys').open")
    await page.press(" ")
    await page.sees("Pause", "return document.getElementById('play').ariaLabel")


async def test_two_sides_of_a_line(page: Page) -> None:
    page.viewer.show_original("p1", Image.fromarray(draw_picture(96, 64)))
    await arrived(page)
    await page.sees(True, "return document.getElementById('right').options.length === 0")
    await page.press("c")
    options = "return [...document.getElementById('right').options].map((one) => one.label)"
    await page.sees(["Text only", "+ lines", "+ colours", "Original", "JPEG", *fitted_names()], options)
    assert await page.run("return document.getElementById('right').value") == "original"
    await page.sees(96, SIDE_B)
    await page.run(CHOOSE, "right", "rival:WebP")
    await page.sees(
        True, "return /^WebP: the best file of [0-9]+ bytes/.test(document.getElementById('against').innerText)"
    )
    await page.run(CHOOSE, "right", "rival:JPEG")
    await page.sees(True, "return document.getElementById('against').innerText.startsWith('JPEG: the first')")
    split = "return getComputedStyle(document.getElementById('canvas')).getPropertyValue('--split')"
    assert await page.run(split) == "50%"
    await page.run("document.activeElement.blur()")
    await page.press("x")
    assert await page.run(split) == "0%"
    await page.press("x")
    assert await page.run(split) == "100%"
    await page.press("c")
    await page.sees(0, SIDE_B)
    assert await page.run("return document.getElementById('split').hidden")


async def test_both_sides_zoom_together(page: Page) -> None:
    await arrived(page)
    await page.press("c")
    await page.sees(96, SIDE_B)
    await page.click("#zoom-in")
    await page.click("#zoom-in")
    places = """
        return ["#layer-a", "#layer-b"].map((one) => {
          const box = document.querySelector(one).getBoundingClientRect();
          return [box.x, box.y, box.width, box.height].map(Math.round);
        });
    """
    one, other = await page.run(places)
    assert one == other
    assert one[2] > await page.run("return 2 * document.getElementById('canvas').clientWidth")
    await page.run("document.getElementById('canvas').focus()")
    await page.press("\ue012")  # arrow left, as long as the picture has the focus and is zoomed
    moved, together = await page.run(places)
    assert moved == together
    assert moved[0] > one[0]
    assert (await page.text(".prompt")) == Scene().prompt


@pytest.mark.skipif(find_axe() is None, reason="needs axe-core")
@pytest.mark.parametrize("screen", SCREENS)
async def test_axe_finds_no_serious_fault_and_nothing_overflows(page: Page, screen: str) -> None:
    page.viewer.show_original("p1", Image.fromarray(draw_picture(96, 64)))
    await page.screen(screen)
    for theme in ("dark", "light"):
        await page.run("document.documentElement.dataset.theme = arguments[0]", theme)
        assert await page.serious_faults() == []
    await arrived(page)
    assert await page.run("return document.documentElement.scrollWidth <= innerWidth")
    await page.press("c")
    await page.sees(96, SIDE_B)
    for theme in ("dark", "light"):
        await page.run("document.documentElement.dataset.theme = arguments[0]", theme)
        assert await page.serious_faults() == []
    assert await page.run("return document.documentElement.scrollWidth <= innerWidth")
