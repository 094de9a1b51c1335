"""The viewer's page in a real browser: headless Chromium, driven by Selenium."""

import asyncio
import importlib.util
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from receiver.viewer import Viewer

#: Looks at the page this often and so long, in seconds, before a state that never comes fails a test.
GLANCE, PATIENCE = 0.03, 120.0

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-prefers-reduced-motion",
    # A camera that shows a pattern, and that pages may use.
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--window-size=1280,800",
)

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")

NEEDS_BROWSER = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver")


#: Screens that the page is made for: width, height, pixels per pixel, and whether it is a phone.
SCREENS = {"phone": (390, 844, 2, True), "laptop": (1280, 800, 1, False), "projector": (1920, 1080, 1, False)}


@contextmanager
def chromium(profile: Path) -> Iterator[Any]:
    """Start a browser; yields its driver."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        yield browser
    finally:
        browser.quit()


def find_axe() -> Path | None:
    """Return axe-core's script, from whichever package has it; None without one."""
    for name in ("axe_playwright_python", "axe_core_python"):
        spec = importlib.util.find_spec(name)
        for folder in (spec and spec.submodule_search_locations) or ():
            if (script := Path(folder) / "axe.min.js").exists():
                return script
    return None


class Page:
    """The page in a browser. Selenium blocks and the viewer needs the loop, so every call runs in a thread."""

    def __init__(self, driver: Any, viewer: Viewer) -> None:
        self._driver = driver
        self.viewer = viewer

    async def open(self, url: str) -> None:
        await asyncio.to_thread(self._driver.get, url)

    async def run(self, script: str, *arguments: object) -> Any:
        return await asyncio.to_thread(self._driver.execute_script, script, *arguments)

    async def text(self, selector: str) -> str:
        """The visible text of an element."""
        return str(await self.run("return document.querySelector(arguments[0]).innerText.trim()", selector))

    async def click(self, selector: str) -> None:
        await self.sees(True, "return document.querySelector(arguments[0]) !== null", selector)
        await self.run("document.querySelector(arguments[0]).click()", selector)

    async def press(self, key: str) -> None:
        from selenium.webdriver.common.action_chains import ActionChains

        await asyncio.to_thread(ActionChains(self._driver).send_keys(key).perform)

    async def sees(self, expected: object, script: str, *arguments: object) -> None:
        """Wait until a script returns what is expected."""
        seen = None
        for _ in range(int(PATIENCE / GLANCE)):
            seen = await self.run(script, *arguments)
            if seen == expected:
                return
            await asyncio.sleep(GLANCE)
        assert seen == expected

    async def reads(self, selector: str, expected: str) -> None:
        """Wait until an element's visible text is what is expected."""
        await self.sees(expected, "return document.querySelector(arguments[0])?.innerText.trim()", selector)

    async def shade(self) -> Any:
        """The grey of the one frame on the stage; None while there is none, or two cross-fade."""
        return await self.run(SHADE)

    async def shows_shade(self, expected: int) -> None:
        await self.sees(
            True, f"const shade = (() => {{ {SHADE} }})(); return Math.abs(shade - arguments[0]) <= 2", expected
        )

    async def console(self) -> list[dict[str, Any]]:
        return list(await asyncio.to_thread(self._driver.get_log, "browser"))

    async def screen(self, name: str) -> None:
        """Look at the page on one of `SCREENS`."""
        width, height, scale, mobile = SCREENS[name]
        metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": mobile}
        await asyncio.to_thread(self._driver.execute_cdp_cmd, "Emulation.setDeviceMetricsOverride", metrics)

    async def serious_faults(self) -> list[str]:
        """Return what axe-core finds wrong with the page, if it is serious or critical."""
        axe = find_axe()
        assert axe is not None
        # The page's content security policy allows no script but its own; the driver's are exempt.
        found = await asyncio.to_thread(self._driver.execute_async_script, axe.read_text() + AXE)
        return [f"{one['id']}: {one['nodes']}" for one in found if one["impact"] in ("serious", "critical")]

    async def requests(self) -> list[str]:
        """Return the URLs that the page requested since the last call."""
        lines = await asyncio.to_thread(self._driver.get_log, "performance")
        messages = [json.loads(line["message"])["message"] for line in lines]
        return [
            str(one["params"]["request"]["url"]) for one in messages if one["method"] == "Network.requestWillBeSent"
        ]


SHADE = """
    const images = document.querySelectorAll("#canvas img");
    if (images.length !== 1 || !images[0].naturalWidth) return -99;
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 1;
    canvas.getContext("2d").drawImage(images[0], 0, 0, 1, 1);
    return canvas.getContext("2d").getImageData(0, 0, 1, 1).data[0];
"""

AXE = """
    ;const done = arguments[arguments.length - 1];
    axe.run(document, { resultTypes: ["violations"] }).then((found) => done(found.violations.map((one) => ({
      id: one.id, impact: one.impact,
      nodes: one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160) + " " + node.failureSummary).join(" | "),
    }))));
"""


def publish(page: Page, *events: Any) -> None:
    for event in events:
        page.viewer.publish(event)
