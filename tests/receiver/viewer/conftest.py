"""A browser for all tests of the page, and the page of a fresh viewer."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from receiver.viewer import Viewer, ViewerOptions
from tests.support.browser import Page, chromium


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest_asyncio.fixture
async def page(driver: Any) -> AsyncIterator[Page]:
    """The page of a fresh viewer, connected; at the end the browser's console must be empty."""
    now = asyncio.get_running_loop().time()
    viewer = Viewer(
        ViewerOptions(address="ws://192.0.2.7:8765", clock=lambda: asyncio.get_running_loop().time() - now + 100.0)
    )
    async with viewer.serve("127.0.0.1", 0) as url:
        page = Page(driver, viewer)
        await page.screen("laptop")
        await page.open(url)
        await page.reads("#connection", "live")
        yield page
        assert await page.console() == []
        # The browser itself asks for chrome:// pages of its own.
        asked = [address for address in await page.requests() if address.startswith(("http", "ws"))]
        assert [address for address in asked if urlsplit(address).hostname != "127.0.0.1"] == []
        await page.open("about:blank")
