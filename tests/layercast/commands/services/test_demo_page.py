"""The demo's page before the model is loaded."""

import asyncio

import pytest

from layercast.commands.services.demonstration import page as demo_page
from receiver.viewer import Viewer, ViewerOptions


async def test_the_model_is_loaded_once_a_page_has_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_page, "WAIT_SECONDS", 600.0)
    monkeypatch.setattr(demo_page, "DRAW_SECONDS", 0.01)
    viewer = Viewer(ViewerOptions())
    async with viewer.serve("127.0.0.1", 0) as url:
        waiting = asyncio.create_task(demo_page._let_page_draw(viewer))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        host, port = url.removeprefix("http://").rstrip("/").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"GET /live HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
        await reader.readuntil(b"data: ")
        await waiting
        writer.close()


async def test_the_model_is_loaded_even_if_no_page_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_page, "WAIT_SECONDS", 0.01)
    viewer = Viewer(ViewerOptions())
    async with viewer.serve("127.0.0.1", 0):
        await demo_page._let_page_draw(viewer)
        assert viewer.watchers == 0
