"""Notifications of changes in a folder."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sender.sources import folder_events as module
from sender.sources.folder_events import folder_events


async def test_a_change_ends_the_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 60.0)
    async with folder_events(tmp_path) as wait_for_change, asyncio.timeout(30):
        await asyncio.sleep(0.5)
        (tmp_path / "new.png").write_bytes(b"x")
        await wait_for_change(0.0)


async def test_without_notifications_the_folder_is_polled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object, **__: object) -> AsyncIterator[None]:
        raise OSError("no more watches")
        yield

    monkeypatch.setattr("watchfiles.awatch", refuse)
    monkeypatch.setattr(module, "POLL_SECONDS", 0.05)
    async with folder_events(tmp_path) as wait_for_change, asyncio.timeout(10):
        await wait_for_change(0.0)


async def test_a_failing_watcher_ends_the_block_with_its_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def break_down(*_: object, **__: object) -> AsyncIterator[None]:
        raise RuntimeError("watcher")
        yield

    monkeypatch.setattr("watchfiles.awatch", break_down)
    with caplog.at_level(logging.ERROR), pytest.raises(RuntimeError, match="watcher"):
        async with folder_events(tmp_path):
            await asyncio.sleep(30)
    assert "the task 'folder events' failed" in caplog.text
