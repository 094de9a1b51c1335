"""Files and folders to send."""

import asyncio
import os
from pathlib import Path

import pytest

from evaluation.virtual_time import run_virtual
from layercast_common.errors import UsageError
from sender.sources.files import Item, SourceKind, find_items, watch_folder


def write(folder: Path, *names: str) -> None:
    """Files with some bytes in them."""
    for name in names:
        (folder / name).write_bytes(b"some bytes")


def test_files_and_folders(tmp_path: Path) -> None:
    write(tmp_path, "b.JPG", "a.lcast", "c.png", "notes.txt", ".hidden.png")
    (tmp_path / "deeper.png").mkdir()
    items = list(find_items([tmp_path, tmp_path / "c.png"]))
    assert [(item.path.name, item.kind) for item in items] == [
        ("a.lcast", SourceKind.STREAM),
        ("b.JPG", SourceKind.PICTURE),
        ("c.png", SourceKind.PICTURE),
        ("c.png", SourceKind.PICTURE),
    ]


def test_both_spellings_of_a_name_are_one_picture(tmp_path: Path) -> None:
    composed, apart = tmp_path / "caf\u00e9.png", tmp_path / "cafe\u0301.png"
    composed.write_bytes(b"some bytes")
    os.link(composed, apart)
    assert Item(composed, SourceKind.PICTURE).key == Item(apart, SourceKind.PICTURE).key


def test_what_cannot_be_sent(tmp_path: Path) -> None:
    write(tmp_path, "notes.txt")
    for path, why in (
        (tmp_path, "holds no pictures"),
        (tmp_path / "notes.txt", "neither a picture nor"),
        (tmp_path / "missing.png", "does not exist"),
    ):
        with pytest.raises(UsageError, match=why):
            list(find_items([path]))


def test_watching(tmp_path: Path) -> None:
    async def watch() -> list[str]:
        found: list[str] = []

        async def collect() -> None:
            async for item in watch_folder(tmp_path, every=1.0):
                found.extend([item.path.name])

        async def settle() -> list[str]:
            await asyncio.sleep(3.0)
            new = found.copy()
            found.clear()
            return new

        watching = asyncio.create_task(collect())
        steps: list[list[str]] = []
        write(tmp_path, "a.png")
        steps.append(await settle())
        write(tmp_path, "c.lcast", "b.png", "notes.txt")
        steps.append(await settle())
        steps.append(await settle())
        (tmp_path / "a.png").write_bytes(b"a newer and longer picture")
        (tmp_path / "b.png").unlink()
        steps.append(await settle())
        write(tmp_path, "b.png")
        steps.append(await settle())
        for length in range(1, 4):
            (tmp_path / "growing.png").write_bytes(bytes(length))
            await asyncio.sleep(0.9)
            assert found == []
        steps.append(await settle())
        watching.cancel()
        return [",".join(step) for step in steps]

    assert run_virtual(watch()) == ["a.png", "b.png,c.lcast", "", "a.png", "b.png", "growing.png"]


def test_watching_what_is_no_folder(tmp_path: Path) -> None:
    async def watch() -> Item:
        return await anext(watch_folder(tmp_path / "missing"))

    with pytest.raises(UsageError, match="is not a folder"):
        run_virtual(watch())
