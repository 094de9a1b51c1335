import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from codec.bitstream import Bitstream, Header
from codec.layers import Layer
from layercast_errors import UsageError
from receiver.archive import Archive, make_folder, save_whole

STREAM = Bitstream(Header(64, 64, 3, "mini"))
PICTURE = Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3))


def test_streams_and_pictures_are_kept(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "deep" / "archive")
    archive.save_stream("one", STREAM)
    archive.save_level("one", Layer.TEXTURE, PICTURE)
    assert sorted(path.name for path in archive.folder.iterdir()) == ["one.lcast", "one.texture.png"]
    assert Bitstream.load(archive.folder / "one.lcast") == STREAM
    assert np.array_equal(np.asarray(Image.open(archive.folder / "one.texture.png")), np.asarray(PICTURE))


def test_a_later_picture_takes_the_place_of_the_earlier(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.save_level("one", Layer.TEXTURE, Image.new("RGB", (8, 8)))
    archive.save_level("one", Layer.TEXTURE, PICTURE)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "one.texture.png")), np.asarray(PICTURE))


def test_what_cannot_be_kept_is_logged_and_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    archive = Archive(tmp_path / "archive")
    archive.folder.rmdir()
    with caplog.at_level(logging.ERROR, "receiver.archive"):
        archive.save_stream("one", STREAM)
        archive.save_level("one", Layer.SEMANTIC, PICTURE)
    assert [record.getMessage().startswith("not archived: ") for record in caplog.records] == [True, True]


def test_a_file_where_the_archive_shall_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="file is a file, and a folder is needed there"):
        Archive(tmp_path / "file")
    with pytest.raises(UsageError, match="cannot be made: Not a directory"):
        make_folder(tmp_path / "file" / "deeper")


@pytest.mark.parametrize("content", [PICTURE, "some text\n"])
def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, content: Image.Image | str) -> None:
    save_whole(content, tmp_path / "good")
    assert [path.name for path in tmp_path.iterdir()] == ["good"]
    (tmp_path / "taken" / "by").mkdir(parents=True)
    with pytest.raises(UsageError, match="taken: "):
        save_whole(content, tmp_path / "taken")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["good", "taken"]
