"""Folders that pictures are dropped into, on a real disk."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from PIL import Image

from codec.encoder.options import EncodeOptions
from layercast_common.errors import UsageError
from sender.connection.sender import Sender
from sender.outbox.entries import EntryState
from sender.outbox.outbox import Outbox, OutboxLimits
from sender.outbox.relay import OutboxRelay
from sender.sources import folder as folders
from sender.sources.folder import WatchedFolder, ingest_folder
from tests.support.pictures import draw_picture

PATIENCE = 120.0


def draw(path: Path) -> None:
    Image.fromarray(draw_picture(64, 64)).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "camera"
    path.mkdir()
    return path


@contextlib.asynccontextmanager
async def gathering(
    folder: Path, *, done: Path | None = None, failed: Path | None = None, limits: OutboxLimits | None = None
) -> AsyncIterator[Outbox]:
    """The folder's outbox while the folder is watched; no relay runs."""
    watched = WatchedFolder(
        folder=folder, encoding=EncodeOptions(captioner="none", budget=300), done=done, failed=failed
    )
    with Outbox(folder / ".outbox", limits=limits) as outbox:
        relay = OutboxRelay(outbox, lambda identity: Sender("ws://127.0.0.1:1"))
        told: list[int] = []
        task = asyncio.create_task(ingest_folder(watched, relay, on_accepted=lambda file: told.append(file.picture_id)))
        try:
            yield outbox
            assert set(told) <= {entry.picture_id for entry in outbox.entries()}
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def visible_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if not path.name.startswith(".")]


def names(outbox: Outbox) -> list[str]:
    return [entry.name for entry in outbox.entries()]


async def test_what_is_there_and_what_comes_is_accepted_once(folder: Path) -> None:
    draw(folder / "one.png")
    async with gathering(folder) as outbox:
        await until(lambda: names(outbox) == ["one.png"])
        draw(folder / "two.png")
        await until(lambda: names(outbox) == ["one.png", "two.png"])
    # After a restart, unchanged files are recognised; changed ones are new.
    draw(folder / "three.png")
    Image.fromarray(draw_picture(96, 64)).save(folder / "one.png")
    async with gathering(folder) as outbox:
        await until(lambda: len(names(outbox)) == 4)
        assert sorted(names(outbox)) == ["one.png", "one.png", "three.png", "two.png"]


async def test_files_are_moved_when_they_are_safe_or_hopeless(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    done, failed = tmp_path / "deep" / "done", tmp_path / "failed"
    done.mkdir(parents=True)
    draw(done / "one.png")
    draw(folder / "one.png")
    (folder / "one.txt").write_text("a house")
    (folder / "broken.jpg").write_bytes(b"no picture at all")
    with caplog.at_level(logging.ERROR, "sender.sources.folder"):
        async with gathering(folder, done=done, failed=failed) as outbox:
            await until(lambda: (failed / "broken.jpg").exists() and (done / "one-2.png").exists())
            assert names(outbox) == ["one.png"]
            semantic = outbox.load(1).decode().semantic
            assert semantic is not None
            assert semantic.prompt == "a house"
    assert (done / "one.txt").exists()
    assert visible_in(folder) == []
    assert "broken.jpg is not sent" in caplog.text


async def test_a_broken_file_that_stays_is_tried_again_once_it_changes(folder: Path) -> None:
    (folder / "late.png").write_bytes(b"half")
    async with gathering(folder) as outbox:
        await asyncio.sleep(2.5)
        assert names(outbox) == []
        draw(folder / "late.png")
        await until(lambda: names(outbox) == ["late.png"])


async def test_a_full_outbox_makes_files_wait(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "FULL_SECONDS", 0.05)
    for name in ("a.png", "b.png"):
        draw(folder / name)
    async with gathering(folder, limits=OutboxLimits(pending=1)) as outbox:
        await until(lambda: names(outbox) == ["a.png"])
        await asyncio.sleep(0.3)
        assert names(outbox) == ["a.png"]
        outbox.finish(1, EntryState.DELIVERED)
        await until(lambda: names(outbox) == ["a.png", "b.png"])


async def test_a_folder_that_goes_away_is_an_error(folder: Path, tmp_path: Path) -> None:
    watched = WatchedFolder(folder=tmp_path / "missing", encoding=EncodeOptions())
    with Outbox(folder / ".outbox") as outbox:
        relay = OutboxRelay(outbox, lambda identity: Sender("ws://127.0.0.1:1"))
        with pytest.raises(UsageError, match="is not a folder"):
            await ingest_folder(watched, relay)
    with pytest.raises(UsageError, match="would be found again"):
        WatchedFolder(folder=folder, encoding=EncodeOptions(), done=folder / ".." / "camera")
