"""What came, on disk: whole, once, and under names of our own."""

import logging
import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from codec.bitstream import Bitstream
from codec.encoding import encode
from codec.layers import Layer
from layercast_errors import UsageError
from receiver.archive import Archive, label_of
from tests.codec.pictures import draw_picture

PICTURE = Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3))
BEGAN = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
LATER = datetime(2026, 1, 31, 13, 0, 0, tzinfo=UTC)
LABEL = label_of(b"ship", 1, 7)
STEM = f"20260131-120000-{LABEL}"


@pytest.fixture(scope="module")
def stream() -> Bitstream:
    return encode(draw_picture(64, 64), "a house", budget=400, seed=3)


def part_of(stream: Bitstream) -> Bitstream:
    return Bitstream(stream.header, stream.sections[:1])


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_streams_and_pictures_are_kept(tmp_path: Path, stream: Bitstream) -> None:
    archive = Archive(tmp_path / "deep" / "archive")
    assert not archive.holds(LABEL)
    archive.keep(LABEL, BEGAN, stream)
    # Drawn a second later, and still the same picture.
    archive.save_level(LABEL, LATER, Layer.TEXTURE, PICTURE)
    assert archive.holds(LABEL)
    assert names(archive.folder) == [f"{STEM}.lcast", f"{STEM}.texture.png"]
    assert (archive.folder / f"{STEM}.lcast").read_bytes() == stream.to_bytes()
    assert np.array_equal(np.asarray(Image.open(archive.folder / f"{STEM}.texture.png")), np.asarray(PICTURE))


def test_a_later_picture_takes_the_place_of_the_earlier(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.save_level(LABEL, BEGAN, Layer.TEXTURE, Image.new("RGB", (8, 8)))
    archive.save_level(LABEL, BEGAN, Layer.TEXTURE, PICTURE)
    assert np.array_equal(np.asarray(Image.open(tmp_path / f"{STEM}.texture.png")), np.asarray(PICTURE))


def test_what_is_held_is_known_again_and_kept_once(tmp_path: Path, stream: Bitstream) -> None:
    Archive(tmp_path).keep(LABEL, BEGAN, stream)
    again = Archive(tmp_path)
    assert again.holds(LABEL)
    again.keep(LABEL, LATER, stream)
    again.keep_part(LABEL, LATER, part_of(stream))
    assert names(tmp_path) == [f"{STEM}.lcast"]


def test_a_part_gives_way_to_the_whole(tmp_path: Path, stream: Bitstream) -> None:
    archive = Archive(tmp_path)
    archive.keep_part(LABEL, BEGAN, part_of(stream))
    archive.keep_part(LABEL, LATER, part_of(stream))
    assert names(tmp_path) == [f"20260131-130000-{LABEL}.part.lcast"]
    assert not Archive(tmp_path).holds(LABEL)
    archive.keep(LABEL, LATER, stream)
    assert names(tmp_path) == [f"20260131-130000-{LABEL}.lcast"]


def test_what_is_not_drawn_is_found(tmp_path: Path, stream: Bitstream) -> None:
    archive = Archive(tmp_path)
    other = label_of(b"ship", 1, 8)
    archive.keep(other, LATER, stream)
    archive.keep(LABEL, BEGAN, stream)
    archive.keep(label_of(b"ship", 1, 9), BEGAN, Bitstream(stream.header))
    (tmp_path / f"20260131-110000-{'0' * 16}.lcast").write_bytes(b"damaged")
    archive.save_level(LABEL, BEGAN, Layer.SEMANTIC, PICTURE)
    again = Archive(tmp_path)
    assert [(kept.label, found) for kept, found in again.undrawn()] == [(LABEL, stream), (other, stream)]
    again.save_level(LABEL, BEGAN, max(stream.decode().layers), PICTURE)
    assert [kept.label for kept, _ in again.undrawn()] == [other]


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / f".{STEM}.lcast.99999999.part").write_bytes(b"half")
    (tmp_path / f".{STEM}.lcast.{os.getpid()}.part").write_bytes(b"being written")
    (tmp_path / ".mine.part").write_bytes(b"somebody's own")
    Archive(tmp_path)
    assert names(tmp_path) == sorted([f".{STEM}.lcast.{os.getpid()}.part", ".mine.part"])


def test_a_stream_that_cannot_be_kept_is_an_error_and_a_picture_is_not(
    tmp_path: Path, stream: Bitstream, caplog: pytest.LogCaptureFixture
) -> None:
    archive = Archive(tmp_path / "archive")
    archive.folder.rmdir()
    with pytest.raises(UsageError, match="No such file"):
        archive.keep(LABEL, BEGAN, stream)
    assert not archive.holds(LABEL)
    with caplog.at_level(logging.ERROR, "receiver.archive"):
        archive.keep_part(LABEL, BEGAN, stream)
        archive.save_level(LABEL, BEGAN, Layer.SEMANTIC, PICTURE)
    assert [record.getMessage().startswith("not archived: ") for record in caplog.records] == [True, True]


def test_a_file_where_the_archive_shall_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="file is a file, and a folder is needed there"):
        Archive(tmp_path / "file")


@given(st.tuples(st.binary(max_size=16), st.integers(0, 2**32 - 1), st.integers(1, 2**32 - 1)), st.data())
def test_labels_tell_pictures_apart_and_are_safe_names(one: tuple[bytes, int, int], data: st.DataObject) -> None:
    other = data.draw(st.tuples(st.binary(max_size=16), st.integers(0, 99), st.integers(1, 99)))
    assert (label_of(*one) == label_of(*other)) == (one == other)
    assert len(label_of(*one)) == 16
    assert set(label_of(*one)) <= set("0123456789abcdef")


@pytest.mark.parametrize(("one", "other"), [((b"1", 2, 34), (b"1", 23, 4)), ((b"a1", 1, 1), (b"a", 11, 1))])
def test_labels_do_not_run_together(one: tuple[bytes, int, int], other: tuple[bytes, int, int]) -> None:
    assert label_of(*one) != label_of(*other)
