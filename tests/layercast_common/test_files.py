"""Atomic file writing, and reading of regular files alone."""

import errno
import os
from pathlib import Path

import pytest
from PIL import Image

from layercast_common.errors import StorageError
from layercast_common.files import make_folder, open_regular, save_whole

PICTURE = Image.new("RGB", (8, 8), (1, 2, 3))


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("content", [PICTURE, "some text\n", b"bytes"], ids=["picture", "text", "bytes"])
def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, content: Image.Image | str, durable: bool) -> None:
    save_whole(content, tmp_path / "good", durable=durable)
    assert [path.name for path in tmp_path.iterdir()] == ["good"]
    (tmp_path / "taken" / "by").mkdir(parents=True)
    with pytest.raises(StorageError, match="taken: "):
        save_whole(content, tmp_path / "taken", durable=durable)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["good", "taken"]


def test_what_is_written(tmp_path: Path) -> None:
    for content in ("ü\n", b"\x00\xff"):
        save_whole(content, tmp_path / "file")
        assert (tmp_path / "file").read_bytes() == (content.encode() if isinstance(content, str) else content)
    save_whole(PICTURE, tmp_path / "file")
    with Image.open(tmp_path / "file") as written:
        assert (written.format, written.getpixel((0, 0))) == ("PNG", (1, 2, 3))


def test_devices_and_fifos_stay_what_they_are(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(StorageError, match="fifo"):
        save_whole("no program reads it", fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    save_whole("some text", fifo)
    assert os.read(reader, 100) == b"some text"
    os.close(reader)
    # A link, so that a failure does not replace the device itself.
    (tmp_path / "full").symlink_to("/dev/full")
    with pytest.raises(StorageError, match="No space left"):
        save_whole("some text", tmp_path / "full")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fifo", "full"]
    assert fifo.is_fifo()
    assert (tmp_path / "full").is_symlink()


def test_a_disk_that_fills_up_at_the_last_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("old")

    def replace(_: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(target))

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(StorageError, match="No space left"):
        save_whole("new", tmp_path / "file")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "old")]


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot be created: Not a directory"):
        make_folder(tmp_path / "file" / "deeper")
    make_folder(tmp_path / "deep" / "er")
    make_folder(tmp_path / "deep" / "er")


class TestOpenRegular:
    def test_a_file_and_a_link_to_one(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"content")
        (tmp_path / "link").symlink_to("file")
        for name in ("file", "link"):
            with open_regular(tmp_path / name) as file:
                assert file.read() == b"content"

    def test_others_are_refused_at_once(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        for path in (tmp_path / "pipe", Path("/dev/null"), tmp_path, tmp_path / "absent"):
            with pytest.raises(OSError, match=r"regular|directory"):
                open_regular(path)
