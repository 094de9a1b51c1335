"""codec.coders.skeleton: points round-trip within a grid cell; a person takes few bytes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.coders.skeleton import GRID, MAX_PEOPLE, decode_skeleton, encode_skeleton
from codec.layers import SKELETON_POINTS, Skeleton
from layercast_common.errors import BitstreamError, UsageError
from tests.support.golden import golden

STANDING = (
    (256, 60), (256, 110), (210, 112), (190, 170), (185, 230), (302, 112), (320, 170), (326, 228), (228, 240),
    (225, 330), (222, 420), (284, 240), (288, 330), (290, 420), (248, 52), (264, 52), (238, 58), (274, 58),
)  # fmt: skip

_points = st.none() | st.tuples(st.floats(-50, 600), st.floats(-50, 400))
_people = st.lists(st.tuples(*[_points] * SKELETON_POINTS), max_size=5).map(tuple)


def test_standing_person_is_small() -> None:
    skeleton = Skeleton((STANDING,), (512, 512))
    assert len(encode_skeleton(skeleton)) <= 30


@settings(max_examples=60, deadline=None)
@given(_people)
def test_any_people_round_trip(people: tuple[tuple[tuple[float, float] | None, ...], ...]) -> None:
    payload = encode_skeleton(Skeleton(people, (512, 320)))
    assert len(payload) <= 1 + 36 * len(people)
    decoded = decode_skeleton(payload, (512, 320)).people
    assert len(decoded) == len(people)
    for person, other in zip(people, decoded, strict=True):
        for point, came in zip(person, other, strict=True):
            assert (point is None) == (came is None)
            if point is not None and came is not None:
                assert abs(min(max(point[0], 0), 512) - came[0]) <= 512 / GRID
                assert abs(min(max(point[1], 0), 320) - came[1]) <= 512 / GRID


def test_every_cut_decodes_to_complete_people() -> None:
    people = tuple(tuple((x - 150 + 100 * index, y + 5 * index) for x, y in STANDING) for index in range(4))
    payload = encode_skeleton(Skeleton(people, (512, 512)))
    whole = decode_skeleton(payload, (512, 512)).people
    counts = []
    for size in range(1, len(payload)):
        came = decode_skeleton(payload[:size], (512, 512), cut=True).people
        assert came == whole[: len(came)]
        counts.append(len(came))
    assert counts == sorted(counts)
    assert set(counts) == {0, 1, 2, 3}


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=40), st.booleans())
def test_any_bytes_decode_or_raise(payload: bytes, cut: bool) -> None:
    try:
        skeleton = decode_skeleton(payload, (512, 384), cut=cut)
    except BitstreamError:
        return
    for person in skeleton.people:
        for point in person:
            assert point is None or (0 <= point[0] <= 512 and 0 <= point[1] <= 384)


def test_bounds() -> None:
    invisible = (None,) * SKELETON_POINTS
    assert decode_skeleton(encode_skeleton(Skeleton((), (64, 64))), (64, 64)).people == ()
    most = Skeleton((invisible,) * MAX_PEOPLE, (64, 64))
    assert decode_skeleton(encode_skeleton(most), (64, 64)) == most
    with pytest.raises(UsageError, match="at most"):
        encode_skeleton(Skeleton((invisible,) * (MAX_PEOPLE + 1), (64, 64)))
    with pytest.raises(BitstreamError):
        decode_skeleton(b"", (64, 64))


def test_golden() -> None:
    payload = encode_skeleton(Skeleton((STANDING,), (512, 512)))
    assert golden("skeleton.bin", payload) == payload
