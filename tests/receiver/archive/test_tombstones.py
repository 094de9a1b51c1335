"""The tombstones of evicted pictures: bounded and crash-safe."""

import logging
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layercast_common.errors import ArchiveError
from receiver.archive.tombstones import CAPACITY, Tombstones


def label(number: int) -> str:
    return f"{number:016x}"


def test_labels_outlive_the_process(tmp_path: Path) -> None:
    path = tmp_path / "labels"
    removed = Tombstones(path)
    size = path.stat().st_size
    assert size == 8 * (CAPACITY + 1)
    removed.add([label(1), label(2)])
    removed.add([label(2), label(3)])
    for one in (removed, Tombstones(path)):
        assert len(one) == 3
        assert [label(number) in one for number in range(5)] == [False, True, True, True, False]
    # All its room was taken at once: on a full disk, too, something can be removed.
    assert path.stat().st_size == size


@settings(max_examples=40)
@given(st.lists(st.lists(st.integers(1, 60), max_size=6), max_size=20), st.booleans())
def test_the_last_ones_are_known(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[int]], again: bool
) -> None:
    """Compared with a list of the newest labels."""
    path = tmp_path_factory.mktemp("removed") / "labels"
    removed = Tombstones(path, capacity=8)
    known: list[int] = []
    for batch in batches:
        new = [number for number in dict.fromkeys(batch) if number not in known]
        known = (known + new)[-8:]
        removed.add([label(number) for number in dict.fromkeys(batch)])
        if again:
            removed = Tombstones(path)
    assert {number for number in range(1, 61) if label(number) in removed} == set(known)


def test_what_cannot_be_written_is_not_remembered(tmp_path: Path) -> None:
    path = tmp_path / "labels"
    removed = Tombstones(path, capacity=4)
    path.unlink()
    path.mkdir()
    with pytest.raises(ArchiveError, match="Is a directory"):
        removed.add([label(1)])
    assert label(1) not in removed
    with pytest.raises(ArchiveError, match="Is a directory"):
        Tombstones(path)


@pytest.mark.parametrize("content", [b"1234", b"12345678", b"123456789"])
def test_a_damaged_file_is_told_and_made_anew(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "labels"
    path.write_bytes(content)
    with caplog.at_level(logging.ERROR, "receiver.archive"):
        removed = Tombstones(path)
    assert "labels is damaged" in caplog.text
    assert len(removed) == 0
    removed.add([label(1)])
    assert label(1) in Tombstones(path)
