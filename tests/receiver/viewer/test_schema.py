"""The state as JSON."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.layers import Layer
from receiver.events import Event
from receiver.viewer.pictures.state import History
from receiver.viewer.schema import AboutView
from receiver.viewer.views import parse_layers, state_json, timeline_view
from tests.receiver.viewer.pictures.test_history import folded
from tests.support.scenes import Scene

TEXT, LINES, COLOURS, DETAIL = Layer.SEMANTIC, Layer.STRUCTURE, Layer.TEXTURE, Layer.DETAIL


def told(*events: Event) -> dict[str, Any]:
    state = json.loads(state_json(folded(*events), AboutView(now=104.5), since=0))
    picture: dict[str, Any] = state["pictures"][0]
    return picture


def test_empty_state() -> None:
    data = state_json(History(5), AboutView(now=1.235, address="ws://192.0.2.7:8765"), since=0)
    assert json.loads(data) == {
        "now": 1.235,
        "address": "ws://192.0.2.7:8765",
        "archive": False,
        "controls": [],
        "speed": 1.0,
        "note": None,
        "limit": 5,
        "pictures": [],
    }


def test_whole_picture() -> None:
    picture = told(*Scene().whole())
    assert picture["bits_per_pixel"] == pytest.approx(480 * 8 / (96 * 64))
    assert (picture["received"], picture["announced"], picture["ended_at"]) == (480, 440, 3.0)
    assert picture["jpeg"] == {"size": 38_200, "rate": 2400.0, "seconds": 127.333, "first_bytes": 75.0}
    text, lines, colours = picture["layers"]
    assert (text["name"], text["first_at"], text["image"]) == ("semantic", 0.0, None)
    assert lines["image"].startswith("/api/pictures/p1/structure.png?v=")
    assert colours["image"].startswith("/api/pictures/p1/texture.png?v=")
    assert re.fullmatch(r"/api/pictures/p1/images/[0-9a-f]{16}\.webp", picture["frame"]["url"])
    assert [(one["layer"], one["size"], one["at"], one["received"]) for one in picture["arrivals"]] == [
        ("semantic", 60, 0.0, 75),
        ("structure", 300, 1.0, 390),
        ("texture", 80, 1.3, 480),
    ]
    assert [(level["adds"], level["size"]) for level in picture["levels"]] == [
        (["semantic"], 60),
        (["structure"], 360),
        (["texture"], 440),
    ]
    assert all(level["frame"] for level in picture["levels"])


def test_detail_is_a_layer_and_a_level() -> None:
    scene = Scene.with_planes()
    picture = told(
        scene.opened(),
        scene.layer(TEXT),
        scene.layer(COLOURS, 1.0),
        scene.frame(TEXT, COLOURS, step=1, steps=1),
        scene.layer(DETAIL, 2.0),
        scene.frame(TEXT, COLOURS, DETAIL, step=1, steps=1),
        scene.layer(DETAIL, 3.0),
    )
    detail = picture["layers"][-1]
    assert (detail["name"], detail["size"], detail["sections"], detail["arrived_size"]) == ("detail", 800, 2, 800)
    assert detail["image"].startswith("/api/pictures/p1/detail.jpg?v=")
    assert [(level["adds"], level["size"], bool(level["frame"])) for level in picture["levels"]] == [
        (["semantic"], 60, False),
        (["texture"], 260, True),
        (["detail"], 1060, True),
    ]


@pytest.mark.parametrize(("rate", "jpeg_size"), [(0.0, 38_200), (2400.0, 0)])
def test_no_comparison_with_what_is_unknown(rate: float, jpeg_size: int) -> None:
    assert told(Scene(rate=rate, jpeg_size=jpeg_size).opened())["jpeg"] is None


def test_levels_follow_the_order_of_arrival() -> None:
    scene = Scene()
    picture = told(scene.opened(), scene.layer(TEXT), scene.layer(COLOURS, 1.0), scene.frame(TEXT, COLOURS))
    assert [(level["layers"], bool(level["frame"])) for level in picture["levels"]] == [
        (["semantic"], False),
        (["semantic", "texture"], True),
        (["semantic", "structure", "texture"], False),
    ]


def test_messages_are_one_line() -> None:
    data = state_json(folded(*Scene(prompt="two\nlines\r\n\n").whole()), AboutView(now=0.0), since=0)
    assert b"\n" not in data
    assert b"\r" not in data


@pytest.mark.parametrize(
    ("names", "layers"),
    [
        ("semantic", {TEXT}),
        ("semantic,texture", {TEXT, COLOURS}),
        ("texture,semantic", {TEXT, COLOURS}),
        ("", None),
        ("Semantic", None),
        ("semantic,", None),
        ("semantic,../../etc", None),
        ("semantic," * 9 + "semantic", None),
    ],
)
def test_parse_layers(names: str, layers: set[Layer] | None) -> None:
    assert parse_layers(names) == layers


@given(st.text(max_size=50))
def test_parse_layers_takes_any_text(names: str) -> None:
    layers = parse_layers(names)
    assert layers is None or layers <= set(Layer)


def test_timeline_holds_every_frame_that_was_shown() -> None:
    scene = Scene()
    events: list[Event] = [scene.opened(), scene.layer(TEXT, 0.0, 75)]
    events += [scene.frame(TEXT, step=n, after=n / 4) for n in (1, 2, 3)]
    (picture,) = folded(*events, scene.layer(LINES, 1.0, 390), scene.completed(after=1.5)).pictures
    timeline = timeline_view(picture)
    assert (timeline.duration, timeline.received, timeline.original, timeline.rivals) == (1.5, 480, None, [])
    assert [(frame.step, frame.at, frame.received) for frame in timeline.frames] == [
        (1, 0.25, 75),
        (2, 0.5, 75),
        (3, 0.75, 75),
    ]
    assert len({frame.url for frame in timeline.frames}) == 3
