"""Received pictures on disk: complete, once, and under names of our own."""

import logging
import os
import resource
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from codec.container.bitstream import Bitstream
from codec.encoder.encode import encode
from codec.encoder.options import EncodeOptions
from codec.layers import Layer
from layercast_common.errors import ArchiveError
from receiver.archive import Archive, RetentionPolicy, label_of
from receiver.archive.archive import TOMBSTONES_NAME
from receiver.archive.disk import BLOCK
from receiver.archive.names import parse_name
from tests.support.pictures import draw_picture

PICTURE = Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3))
BEGAN = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
LATER = datetime(2026, 1, 31, 13, 0, 0, tzinfo=UTC)
LABEL = label_of(b"ship", 1, 7)
STEM = f"20260131-120000-{LABEL}"


@pytest.fixture(scope="module")
def stream() -> Bitstream:
    return encode(draw_picture(64, 64), "a house", EncodeOptions(budget=400, seed=3))


def part_of(stream: Bitstream) -> Bitstream:
    return Bitstream(stream.header, stream.sections[:1])


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_streams_and_pictures_are_kept(tmp_path: Path, stream: Bitstream) -> None:
    archive = Archive(tmp_path / "deep" / "archive")
    assert not archive.holds(LABEL)
    archive.store(LABEL, BEGAN, stream)
    # Drawn a second later, and still the same picture.
    archive.store_level(LABEL, LATER, Layer.TEXTURE, PICTURE)
    assert archive.holds(LABEL)
    assert names(archive.folder) == [f"{STEM}.lcast", f"{STEM}.texture.png"]
    assert (archive.folder / f"{STEM}.lcast").read_bytes() == stream.to_bytes()
    assert np.array_equal(np.asarray(Image.open(archive.folder / f"{STEM}.texture.png")), np.asarray(PICTURE))


def test_a_later_picture_takes_the_place_of_the_earlier(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.store_level(LABEL, BEGAN, Layer.TEXTURE, Image.new("RGB", (8, 8)))
    archive.store_level(LABEL, BEGAN, Layer.TEXTURE, PICTURE)
    assert np.array_equal(np.asarray(Image.open(tmp_path / f"{STEM}.texture.png")), np.asarray(PICTURE))


def test_what_is_held_is_known_again_and_kept_once(tmp_path: Path, stream: Bitstream) -> None:
    Archive(tmp_path).store(LABEL, BEGAN, stream)
    again = Archive(tmp_path)
    assert again.holds(LABEL)
    again.store(LABEL, LATER, stream)
    again.store_part(LABEL, LATER, part_of(stream))
    assert names(tmp_path) == [f"{STEM}.lcast"]


def test_a_part_gives_way_to_the_whole(tmp_path: Path, stream: Bitstream) -> None:
    archive = Archive(tmp_path)
    archive.store_part(LABEL, BEGAN, part_of(stream))
    archive.store_part(LABEL, LATER, part_of(stream))
    assert names(tmp_path) == [f"20260131-130000-{LABEL}.part.lcast"]
    assert not Archive(tmp_path).holds(LABEL)
    archive.store(LABEL, LATER, stream)
    assert names(tmp_path) == [f"20260131-130000-{LABEL}.lcast"]


def test_what_is_not_drawn_is_found(tmp_path: Path, stream: Bitstream) -> None:
    archive = Archive(tmp_path)
    other = label_of(b"ship", 1, 8)
    archive.store(other, LATER, stream)
    archive.store(LABEL, BEGAN, stream)
    archive.store(label_of(b"ship", 1, 9), BEGAN, Bitstream(stream.header))
    (tmp_path / f"20260131-110000-{'0' * 16}.lcast").write_bytes(b"damaged")
    archive.store_level(LABEL, BEGAN, Layer.SEMANTIC, PICTURE)
    again = Archive(tmp_path)
    assert [(kept.label, found) for kept, found in again.undrawn()] == [(LABEL, stream), (other, stream)]
    again.store_level(LABEL, BEGAN, max(stream.decode().layers), PICTURE)
    assert [kept.label for kept, _ in again.undrawn()] == [other]


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / f".{STEM}.lcast.99999999.part").write_bytes(b"half")
    # In a container the next process may have the number of the last.
    (tmp_path / f".{STEM}.lcast.{os.getpid()}.part").write_bytes(b"half")
    (tmp_path / ".removed.labels.7.part").write_bytes(b"half")
    (tmp_path / ".probe").write_bytes(b"")
    (tmp_path / ".mine.part").write_bytes(b"somebody's own")
    Archive(tmp_path)
    assert names(tmp_path) == [".mine.part"]


def test_a_stream_that_cannot_be_kept_is_an_error_and_a_picture_is_not(
    tmp_path: Path, stream: Bitstream, caplog: pytest.LogCaptureFixture
) -> None:
    archive = Archive(tmp_path / "archive")
    archive.folder.rmdir()
    with caplog.at_level(logging.WARNING, "receiver.archive"):
        with pytest.raises(ArchiveError, match="No such file"):
            archive.store(LABEL, BEGAN, stream)
        assert not archive.holds(LABEL)
        archive.store_part(LABEL, BEGAN, stream)
        archive.store_level(LABEL, BEGAN, Layer.SEMANTIC, PICTURE)
        archive.probe()
        assert archive.failing
        assert archive.stats().failures == 4
        archive.folder.mkdir()
        archive.probe()
        assert not archive.failing
    # Told once, and not for each file.
    assert [(record.levelname, record.getMessage().partition(":")[0]) for record in caplog.records] == [
        ("ERROR", "the archive cannot be written, pictures are not acknowledged"),
        ("WARNING", f"the archive {archive.folder} can be written again"),
    ]
    assert names(archive.folder) == []


def test_a_file_where_the_archive_shall_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ArchiveError, match="file is a file, not a folder"):
        Archive(tmp_path / "file")


def fill(archive: Archive, count: int, stream: Bitstream, *, first: int = 0) -> list[str]:
    """Store pictures an hour apart, each rendered at one level, and return their labels."""
    labels = []
    for number in range(first, first + count):
        label = label_of(b"ship", 1, number)
        archive.store(label, BEGAN + timedelta(hours=number), stream)
        archive.store_level(label, BEGAN, Layer.TEXTURE, PICTURE)
        labels.append(label)
    return labels


def held(folder: Path) -> list[str]:
    """Return the labels that have files, each once, oldest first."""
    return list(dict.fromkeys(parsed[0].label for name in names(folder) if (parsed := parse_name(name))))


def test_the_oldest_go_when_there_is_too_much(
    tmp_path: Path, stream: Bitstream, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "mine.txt").write_bytes(bytes(10 * BLOCK))
    archive = Archive(tmp_path, RetentionPolicy(size=6 * BLOCK))
    labels = fill(archive, 3, stream)
    assert archive.stats().size == 6 * BLOCK
    assert archive.evict() == 0
    labels += fill(archive, 2, stream, first=3)
    with caplog.at_level(logging.INFO, "receiver.archive"):
        assert archive.evict() == 2
        assert archive.evict() == 0
    assert held(tmp_path) == labels[2:]
    assert [len([name for name in names(tmp_path) if label in name]) for label in labels] == [0, 0, 2, 2, 2]
    assert (tmp_path / "mine.txt").exists()
    figures = archive.stats()
    assert (figures.pictures, figures.size, figures.evicted) == (3, 6 * BLOCK, 2)
    (record,) = caplog.records
    assert record.getMessage().startswith("evicted the 2 oldest pictures, up to 20260131-13")


def test_what_is_in_use_stays_and_so_does_the_newest(tmp_path: Path, stream: Bitstream) -> None:
    archive = Archive(tmp_path, RetentionPolicy(size=1))
    labels = fill(archive, 4, stream)
    assert archive.evict({labels[0], labels[2]}) == 1
    assert held(tmp_path) == [labels[0], labels[2], labels[3]]
    assert archive.evict() == 2
    assert archive.evict() == 0
    assert held(tmp_path) == [labels[3]]


def test_what_is_too_old_goes_though_there_is_room(tmp_path: Path, stream: Bitstream) -> None:
    now = BEGAN + timedelta(hours=2)
    archive = Archive(tmp_path, RetentionPolicy(days=1), clock=lambda: now)
    labels = fill(archive, 3, stream)
    now = BEGAN + timedelta(days=1)
    assert archive.evict() == 0
    now += timedelta(hours=1, seconds=1)
    assert archive.evict() == 2
    assert held(tmp_path) == labels[2:]
    now += timedelta(days=1)
    assert archive.evict() == 1
    assert names(tmp_path) == ["removed.labels"]


@pytest.mark.parametrize("jump", [timedelta(days=400), timedelta(days=-400)])
def test_a_clock_that_jumped_before_the_start_deletes_and_keeps_nothing_wrongly(
    tmp_path: Path, stream: Bitstream, jump: timedelta, caplog: pytest.LogCaptureFixture
) -> None:
    now = BEGAN + timedelta(hours=2)
    labels = fill(Archive(tmp_path, RetentionPolicy(days=30), clock=lambda: now), 3, stream)
    now += jump
    archive = Archive(tmp_path, RetentionPolicy(days=30), clock=lambda: now)
    assert "wrong by more than --keep-days" in caplog.text
    assert archive.evict() == 0
    now += timedelta(days=30)
    assert archive.evict() == 0
    now += timedelta(seconds=2)
    assert archive.evict() == 3
    assert held(tmp_path) == []
    assert all(archive.holds(label) for label in labels)


def test_a_clock_that_is_right_or_nearly_so_is_believed(
    tmp_path: Path, stream: Bitstream, caplog: pytest.LogCaptureFixture
) -> None:
    now = BEGAN + timedelta(hours=2)
    fill(Archive(tmp_path, RetentionPolicy(days=30), clock=lambda: now), 3, stream)
    now = BEGAN + timedelta(hours=1, minutes=30)
    Archive(tmp_path, RetentionPolicy(days=30), clock=lambda: now)
    now = BEGAN + timedelta(days=30, hours=1)
    archive = Archive(tmp_path, RetentionPolicy(days=30), clock=lambda: now)
    assert caplog.text == ""
    assert archive.evict() == 1


def test_what_was_removed_is_never_taken_in_again(tmp_path: Path, stream: Bitstream) -> None:
    archive = Archive(tmp_path, RetentionPolicy(size=2 * BLOCK))
    labels = fill(archive, 4, stream)
    archive.store_part(label_of(b"ship", 1, 9), BEGAN, part_of(stream))
    archive.evict()
    for again in (archive, Archive(tmp_path, RetentionPolicy(size=2 * BLOCK)), Archive(tmp_path)):
        assert [again.holds(label) for label in labels] == [True] * 4
        # An incomplete picture was never delivered, so it needs no tombstone.
        assert not again.holds(label_of(b"ship", 1, 9))
        again.store(labels[0], LATER, stream)
        again.store_part(labels[0], LATER, stream)
        again.store_level(labels[0], LATER, Layer.TEXTURE, PICTURE)
        assert labels[0] not in held(tmp_path)


def test_an_archive_without_bounds_needs_no_memory_of_the_removed(tmp_path: Path, stream: Bitstream) -> None:
    archive = Archive(tmp_path)
    fill(archive, 2, stream)
    assert archive.evict() == 0
    assert TOMBSTONES_NAME not in names(tmp_path)


@pytest.mark.parametrize("crash_after", range(5))
def test_a_removal_that_was_cut_short_is_finished_at_the_next_start(
    tmp_path: Path, stream: Bitstream, crash_after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All files of a picture exist or none, at whichever file the power failed."""
    bounds = RetentionPolicy(size=3 * BLOCK)
    archive = Archive(tmp_path, bounds)
    labels = fill(archive, 2, stream)
    archive.store_level(labels[0], BEGAN, Layer.STRUCTURE, PICTURE)
    calls = 0
    unlink = Path.unlink

    def fail(path: Path, missing_ok: bool = False) -> None:
        nonlocal calls
        calls += 1
        if calls > crash_after:
            raise PermissionError(1, "not now")
        unlink(path, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", fail)
        with pytest.raises(ArchiveError, match="cannot be removed: not now"):
            archive.evict()
        assert archive.holds(labels[0])
    again = Archive(tmp_path, bounds)
    files = [name for name in names(tmp_path) if labels[0] in name]
    assert len(files) == (3 if crash_after == 0 else 0)
    assert again.holds(labels[0])
    assert again.stats().size == len([name for name in names(tmp_path) if parse_name(name)]) * BLOCK
    again.evict()
    assert held(tmp_path) == labels[1:]
    # And where the process lived on, it tries again.
    archive.evict()
    assert archive.stats().size == 2 * BLOCK


def test_a_picture_that_was_brought_back_is_a_picture(tmp_path: Path, stream: Bitstream) -> None:
    archive = Archive(tmp_path, RetentionPolicy(size=2 * BLOCK))
    labels = fill(archive, 2, stream)
    name = f"20260131-120000-{labels[0]}.lcast"
    saved = (tmp_path / name).read_bytes()
    archive.evict()
    (tmp_path / name).write_bytes(saved)
    assert Archive(tmp_path, RetentionPolicy(size=9 * BLOCK)).stats().pictures == 2
    assert held(tmp_path) == labels


def test_no_more_goes_at_once_than_others_can_wait_for(
    tmp_path: Path, stream: Bitstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("receiver.archive.archive.EVICTION_BATCH", 2)
    archive = Archive(tmp_path, RetentionPolicy(size=1))
    fill(archive, 6, stream)
    assert [archive.evict() for _ in range(4)] == [2, 2, 1, 0]


def test_sizes_are_those_of_a_disk_and_survive_a_restart(tmp_path: Path, stream: Bitstream) -> None:
    archive = Archive(tmp_path)
    archive.store(LABEL, BEGAN, stream)
    archive.store_level(LABEL, BEGAN, Layer.TEXTURE, Image.effect_noise((128, 128), 90).convert("RGB"))
    size = archive.stats().size
    assert size > 3 * BLOCK
    assert size % BLOCK == 0
    archive.store_part(label_of(b"ship", 1, 8), BEGAN, part_of(stream))
    assert archive.stats().size == Archive(tmp_path).stats().size == size + BLOCK
    archive.store(label_of(b"ship", 1, 8), LATER, stream)
    archive.store_level(LABEL, BEGAN, Layer.TEXTURE, PICTURE)
    assert archive.stats().size == Archive(tmp_path).stats().size == 3 * BLOCK


def test_a_disk_that_takes_no_more(tmp_path: Path, stream: Bitstream, caplog: pytest.LogCaptureFixture) -> None:
    """Uses the limit on file sizes, which every system has; test_full_disk.py fills a real disk."""
    archive = Archive(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        with pytest.raises(ArchiveError, match="File too large"):
            archive.store(LABEL, BEGAN, stream)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not archive.holds(LABEL)
    assert names(tmp_path) == []
    archive.store(LABEL, BEGAN, stream)
    assert Archive(tmp_path).holds(LABEL)
