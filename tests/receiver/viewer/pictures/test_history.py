"""Events in, state out."""

from dataclasses import replace

import pytest

from codec.layers import Layer
from receiver.events import Event, SectionSize
from receiver.viewer.pictures.history import fold
from receiver.viewer.pictures.state import MAX_FRAMES, History, PictureState, Status
from receiver.viewer.pictures.thumbnails import encode_image
from tests.support.scenes import Scene

TEXT, LINES, COLOURS, DETAIL = Layer.SEMANTIC, Layer.STRUCTURE, Layer.TEXTURE, Layer.DETAIL


def folded(*events: Event, history: History | None = None) -> History:
    history = history or History()
    for event in events:
        history = fold(history, event, encode_image(event))
    return history


def picture_after(*events: Event) -> PictureState:
    (picture,) = folded(*events).pictures
    return picture


def test_whole_picture() -> None:
    picture = picture_after(*Scene().whole())
    assert picture.status is Status.COMPLETE
    assert (picture.prompt, picture.received, picture.ended_at) == ("a red barn under a wide sky", 480, 103.0)
    assert [(state.layer, state.size, state.arrived_size, state.arrivals) for state in picture.layers] == [
        (TEXT, 60, 60, (100.0,)),
        (LINES, 300, 300, (101.0,)),
        (COLOURS, 80, 80, (101.3,)),
    ]
    assert [state.image is None for state in picture.layers] == [True, False, False]
    assert [frame.layers for frame in picture.frames] == [{TEXT}, {TEXT, LINES}, {TEXT, LINES, COLOURS}]


def test_only_newest_frame_of_each_level_is_kept() -> None:
    scene = Scene()
    picture = picture_after(
        scene.opened(), *(scene.frame(TEXT, step=step) for step in (1, 2, 3)), scene.frame(TEXT, LINES, step=1)
    )
    assert [(set(frame.layers), frame.step) for frame in picture.frames] == [({TEXT}, 3), ({TEXT, LINES}, 1)]
    # Lines and then again text alone, as after an edit: the newest is what came last, not what knows most.
    again = fold(folded(scene.opened(), scene.frame(TEXT, LINES)), scene.frame(TEXT), encode_image(scene.frame(TEXT)))
    newest = again.pictures[0].frame()
    assert newest is not None
    assert newest.layers == {TEXT}


def test_every_frame_that_was_shown_is_kept_until_there_are_too_many() -> None:
    scene = Scene()
    frames = [scene.frame(TEXT, step=step, steps=500, after=step / 100, shade=step % 250) for step in range(1, 200)]
    picture = picture_after(scene.opened(), scene.frame(TEXT, LINES, after=0.0), *frames)
    assert len(picture.shown) <= MAX_FRAMES
    assert [set(frame.layers) for frame in picture.frames] == [{TEXT, LINES}, {TEXT}]
    assert picture.frames[-1].step == 199
    times = [frame.at for frame in picture.shown]
    assert times == sorted(times)
    few = picture_after(scene.opened(), *frames[:MAX_FRAMES])
    assert [frame.step for frame in few.shown] == list(range(1, MAX_FRAMES + 1))


def test_levels_are_sets_of_layers() -> None:
    scene = Scene()
    picture = picture_after(
        scene.opened(), scene.frame(TEXT, COLOURS, step=1), scene.frame(TEXT, LINES, COLOURS, step=2)
    )
    without_lines = picture.frame(frozenset({TEXT, COLOURS}))
    assert without_lines is not None
    assert without_lines.step == 1
    assert picture.frame(frozenset({TEXT})) is None


@pytest.mark.parametrize(
    ("arrivals", "arrived_size", "expected_sections"),
    [(0, 0, 2), (1, 300, 2), (2, 340, 2), (3, 340, 2)],
)
def test_layer_in_parts(arrivals: int, arrived_size: int, expected_sections: int) -> None:
    parts = (SectionSize(layer=LINES, size=300), SectionSize(layer=TEXT, size=60), SectionSize(layer=LINES, size=40))
    scene = Scene(sections=parts)
    picture = picture_after(scene.opened(), *(scene.layer(LINES, after=n) for n in range(arrivals)))
    lines = picture.layer(LINES)
    assert lines is not None
    assert (lines.arrived_size, len(lines.sizes), len(lines.arrivals)) == (arrived_size, expected_sections, arrivals)


def test_layer_that_was_not_announced() -> None:
    scene = Scene()
    picture = picture_after(scene.opened(), scene.layer(DETAIL, received=700))
    detail = picture.layer(DETAIL)
    assert detail is not None
    assert (detail.size, detail.arrivals, detail.image) == (0, (100.0,), None)
    assert picture.received == 700


@pytest.mark.parametrize(
    ("after", "received", "first_bytes"),
    [
        (0.0, 75, 75.0),  # the text came in the first packet
        (0.1, 75, 45.0),  # 30 bytes of it after the first packet, at 2,400 bit/s
        (9.0, 75, 0.0),
    ],
)
def test_first_bytes(after: float, received: int, first_bytes: float) -> None:
    scene = Scene()
    picture = picture_after(scene.opened(), scene.layer(TEXT, after, received), scene.layer(LINES, 9.5, 400))
    assert picture.first_bytes == pytest.approx(first_bytes)


def test_failure_keeps_what_came_and_resuming_goes_on() -> None:
    scene = Scene()
    broken = folded(*scene.whole()[:3], scene.failed("the link is down"))
    (picture,) = broken.pictures
    assert (picture.status, picture.reason, picture.ended_at) == (Status.FAILED, "the link is down", 103.0)
    assert picture.frame() is not None
    (resumed,) = folded(replace(scene, at=200.0).opened(), history=broken).pictures
    assert (resumed.status, resumed.reason, resumed.ended_at) == (Status.RECEIVING, None, None)
    assert (resumed.received, resumed.opened.at) == (75, 100.0)


def test_history_is_bounded() -> None:
    history = folded(*(Scene(name=f"p{n}").opened() for n in range(9)), history=History(limit=3))
    assert [picture.id for picture in history.pictures] == ["p6", "p7", "p8"]
    assert history.picture("p5") is None


def test_events_of_forgotten_pictures_change_nothing() -> None:
    history = folded(Scene().opened())
    stranger = Scene(name="stranger")
    for event in [*stranger.whole()[1:], stranger.failed()]:
        assert fold(history, event, encode_image(event)) is history


def test_changes_are_found_by_version() -> None:
    one, two = Scene(name="one"), Scene(name="two")
    before = folded(one.opened(), two.opened())
    after = folded(one.layer(TEXT), history=before)
    assert [picture.id for picture in after.changed_since(before.version)] == ["one"]
    assert [picture.id for picture in after.changed_since(0)] == ["one", "two"]
    assert after.changed_since(after.version) == ()
