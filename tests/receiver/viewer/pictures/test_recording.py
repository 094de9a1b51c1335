"""Recorded arrivals as files."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.layers import Layer
from layercast_common.errors import BitstreamError
from receiver.viewer.pictures.recording import recording_from_bytes, recording_to_bytes
from receiver.viewer.pictures.state import RivalStage, Status
from receiver.viewer.pictures.thumbnails import tagged
from receiver.viewer.views import picture_view, timeline_view
from tests.receiver.viewer.pictures.test_history import picture_after
from tests.support.scenes import Scene

RIVAL = RivalStage(name="JPEG", fitted=False, budget=75, size=900, at=0.0, image=None)
PICTURE = replace(
    picture_after(*Scene(at=0.0).whole()), original=tagged(b"RIFF1234WEBP"), rivals=(RIVAL,), stream=b"stream"
)
FILE = recording_to_bytes(PICTURE)


def test_a_recording_shows_what_the_page_showed() -> None:
    again = recording_from_bytes(FILE)
    assert again == replace(PICTURE, recorded=True, version=0)
    assert recording_to_bytes(again) == FILE
    assert timeline_view(again) == timeline_view(PICTURE)
    assert msgspec.structs.replace(picture_view(again), recorded=False) == picture_view(PICTURE)


def test_times_count_from_the_first_packet() -> None:
    later = recording_from_bytes(recording_to_bytes(picture_after(*Scene(at=128.0).whole())))
    assert (later.opened.at, later.ended_at) == (0.0, 3.0)
    assert [frame.at for frame in later.shown] == [0.5, 1.5, 2.5]


def test_a_failed_arrival_is_recorded_as_one() -> None:
    scene = Scene()
    failed = recording_from_bytes(recording_to_bytes(picture_after(*scene.whole()[:3], scene.failed("gone"))))
    assert (failed.status, failed.reason) == (Status.FAILED, "gone")


def test_a_recording_may_get_another_name() -> None:
    assert recording_from_bytes(FILE, name="other").id == "other"


def changed(**fields: object) -> bytes:
    return msgspec.msgpack.encode(msgspec.msgpack.decode(FILE) | fields)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not a recorded arrival"),
        (b"no recording", "not a recorded arrival"),
        (FILE[:-9], "damaged"),
        (changed(version=2), "not a recorded arrival"),
        (changed(name="../x"), "not a recorded arrival"),
        (changed(width=0), "not a recorded arrival"),
        (changed(original=b"<script>"), "not a picture"),
        (changed(arrivals=[{"layer": 9, "size": 1, "at": 0.0, "received": 1}]), "not a recorded arrival"),
        (changed(arrivals=[{"layer": 0, "size": 1, "at": float("nan"), "received": 1}]), "not a recorded arrival"),
        (b"\xff" * (33 * 1024 * 1024), "at most"),
    ],
    ids=["empty", "text", "cut", "version", "name", "canvas", "image", "layer", "time", "size"],
)
def test_bad_files_are_refused(data: bytes, reason: str) -> None:
    with pytest.raises(BitstreamError, match=reason):
        recording_from_bytes(data)


@given(st.binary(max_size=200), st.integers(0, len(FILE) - 1))
def test_damage_raises_nothing_else(noise: bytes, place: int) -> None:
    for data in (noise, FILE[:place] + noise + FILE[place + len(noise) :]):
        try:
            recording_from_bytes(data)
        except BitstreamError:
            continue


def test_layers_are_kept() -> None:
    lines = recording_from_bytes(FILE).layer(Layer.STRUCTURE)
    assert lines is not None
    assert (lines.sizes, lines.arrivals, lines.image is None) == ((300,), (1.0,), False)
