"""The presenter's view and the audience's, in a real browser: type for the last row, a clicker's keys, one screen."""

import pytest

from receiver.viewer import Viewer
from tests.support.browser import NEEDS_BROWSER, SCREENS, Page, find_axe, publish
from tests.support.scenes import Scene

pytestmark = NEEDS_BROWSER

PAGE_DOWN, PAGE_UP = "\ue00f", "\ue00e"

#: A square picture takes the most of the screen's height.
SQUARE = Scene(name="p2", canvas=(512, 512), prompt="a lighthouse on a rock in the sea at dawn, with birds around it")

FITS = """
    const { scrollWidth, scrollHeight } = document.documentElement;
    return [scrollWidth <= innerWidth, scrollHeight <= innerHeight];
"""
TYPE = """
    const size = (selector) => parseFloat(getComputedStyle(document.querySelector(selector)).fontSize);
    return [".numbers b", ".numbers dt", ".prompt"].map(size);
"""


async def shown(page: Page, *scenes: Scene) -> None:
    for scene in scenes:
        publish(page, *scene.whole())
    await page.shows_shade(30)
    await page.reads("#clock-label", "until complete")


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("view", ["presenter", "audience"])
async def test_the_large_views_fit_every_screen(page: Page, view: str, screen: str) -> None:
    await page.screen(screen)
    if view == "audience":
        await page.open(f"{page.viewer.url}show")
    await shown(page, SQUARE)
    if view == "presenter":
        await page.press("p")
        await page.sees(True, "return document.getElementById('code').complete")
    await page.sees(view, "return document.body.dataset.mode")
    wide, high = await page.run(FITS)
    # A phone scrolls down; nothing may stick out beside it.
    assert wide
    assert high or screen == "phone"
    if find_axe():
        for theme in ("dark", "light"):
            await page.run("document.documentElement.dataset.theme = arguments[0]", theme)
            assert await page.serious_faults() == []
    if screen == "projector":
        figures, labels, prompt = await page.run(TYPE)
        # Shares of the screen's height: the last row reads 1/30, and sees figures of 1/15.
        assert figures >= 1080 / 15
        assert min(labels, prompt) >= 1080 / 30


async def test_a_clicker_goes_through_levels_and_pictures(page: Page) -> None:
    first, second = Scene(prompt="the first"), Scene(name="p2", prompt="the second")
    await shown(page, first, second)
    await page.reads(".prompt", "the second")
    await page.press("p")
    for key, shade in ((PAGE_UP, 20), (PAGE_UP, 10)):
        await page.press(key)
        await page.shows_shade(shade)
    await page.press(PAGE_UP)
    await page.reads(".prompt", "the first")
    await page.shows_shade(30)
    await page.press(PAGE_DOWN)
    await page.reads(".prompt", "the second")
    await page.shows_shade(10)
    await page.press(PAGE_DOWN)
    await page.shows_shade(20)


async def test_a_held_picture_stays_while_others_arrive(page: Page) -> None:
    await shown(page, Scene(prompt="the first"))
    await page.press("p")
    await page.press("h")
    await page.reads("#held", "held")
    await shown(page, Scene(name="p2", prompt="the second"))
    assert await page.text(".prompt") == "the first"
    await page.press("h")
    await page.reads(".prompt", "the second")


async def test_the_presenter_s_code_leads_to_the_audience_s_page(page: Page) -> None:
    viewer: Viewer = page.viewer
    await shown(page, Scene())
    await page.press("p")
    assert await page.run("return document.getElementById('code').alt") == f"QR code of {viewer.url}show"
    assert "0.0.0.0:8080" in await page.text("#invitation-address")
    await page.press("p")
    assert await page.run("return document.getElementById('invitation').hidden")
