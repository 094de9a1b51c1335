"""Atomic file writing."""

from pathlib import Path

import pytest
from PIL import Image

from layercast_common.errors import StorageError
from layercast_common.files import make_folder, save_whole

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


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot be created: Not a directory"):
        make_folder(tmp_path / "file" / "deeper")
    make_folder(tmp_path / "deep" / "er")
    make_folder(tmp_path / "deep" / "er")
