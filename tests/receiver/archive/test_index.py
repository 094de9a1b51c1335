"""The order of eviction."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layercast_common.errors import UsageError
from receiver.archive.index import ArchiveIndex
from receiver.archive.names import ArchivedPicture, stem_of
from receiver.archive.retention import RetentionPolicy

NOW = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)


def kept(number: int) -> ArchivedPicture:
    label = f"{number:016x}"
    return ArchivedPicture(stem_of(label, NOW - timedelta(hours=1000 - number)), label)


@given(
    st.lists(st.integers(1, 9), max_size=12),
    st.one_of(st.none(), st.integers(1, 60)),
    st.one_of(st.none(), st.integers(980, 1005)),
    st.sets(st.integers(0, 11)),
    st.integers(1, 12),
)
def test_what_stays_is_within_the_bounds(
    sizes: list[int], size: int | None, hours: int | None, in_use: set[int], limit: int
) -> None:
    stock = ArchiveIndex()
    for number, one in enumerate(sizes):
        stock.resize(kept(number), one)
    bounds = RetentionPolicy(size=size, days=None if hours is None else hours / 24)
    used = {kept(number).label for number in in_use}
    doomed = stock.select_expired(bounds, now=NOW, in_use=used, limit=limit)
    numbers = [int(one.label, 16) for one in doomed]
    assert numbers == sorted(set(numbers) - in_use)
    assert len(doomed) <= limit
    before = stock.size
    for gone in doomed:
        stock.remove(gone)
    assert stock.size == before - sum(sizes[number] for number in numbers)
    left = [number for number in range(len(sizes)) if number not in numbers]
    # Nobody went for whom there was room.
    if doomed and (hours is None or 1000 - numbers[-1] <= hours):
        assert size is not None
        assert stock.size + sizes[numbers[-1]] > size
    if len(doomed) < limit:
        free = [number for number in left if number not in in_use]
        assert not [number for number in free if hours is not None and 1000 - number > hours]
        if size is not None and stock.size > size:
            assert set(free) <= {len(sizes) - 1}


def test_bounds_that_make_no_sense() -> None:
    assert not RetentionPolicy().evicts
    for size in (0, -1):
        with pytest.raises(UsageError, match="at least 1 byte"):
            RetentionPolicy(size=size)
    for days in (0.0, -1.0, float("nan"), float("inf"), 1e9):
        with pytest.raises(UsageError, match="up to 36500 days"):
            RetentionPolicy(days=days)
    assert RetentionPolicy(days=0.01).cutoff(NOW) == NOW - timedelta(days=0.01)
