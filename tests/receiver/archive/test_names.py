"""File names of the archive, and foreign files."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.archive.names import KINDS, ArchivedPicture, label_of, parse_name, stem_of

BEGAN = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)


@given(st.tuples(st.binary(max_size=16), st.integers(0, 2**32 - 1), st.integers(1, 2**32 - 1)), st.data())
def test_labels_tell_pictures_apart_and_are_safe_names(one: tuple[bytes, int, int], data: st.DataObject) -> None:
    other = data.draw(st.tuples(st.binary(max_size=16), st.integers(0, 99), st.integers(1, 99)))
    assert (label_of(*one) == label_of(*other)) == (one == other)
    assert len(label_of(*one)) == 16
    assert set(label_of(*one)) <= set("0123456789abcdef")


@pytest.mark.parametrize(("one", "other"), [((b"1", 2, 34), (b"1", 23, 4)), ((b"a1", 1, 1), (b"a", 11, 1))])
def test_labels_do_not_run_together(one: tuple[bytes, int, int], other: tuple[bytes, int, int]) -> None:
    assert label_of(*one) != label_of(*other)


@pytest.mark.parametrize("kind", KINDS)
def test_names_are_read_as_they_are_made(kind: str) -> None:
    label = label_of(b"ship", 1, 7)
    stem = stem_of(label, BEGAN)
    assert stem == f"20260131-120000-{label}"
    assert parse_name(f"{stem}.{kind}") == (ArchivedPicture(stem, label), kind)


@pytest.mark.parametrize("ending", ["", ".lcast.bak", ".jpg", ".lcast~", ".other.png", ".lcast\n", "0.lcast"])
def test_other_names_are_not_ours(ending: str) -> None:
    assert parse_name(f"20260131-120000-{'0' * 16}{ending}") is None
    assert parse_name("holiday.lcast") is None
