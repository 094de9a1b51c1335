"""The state as JSON."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.layers import Layer
from receiver.events import Event
from receiver.viewer.history import History
from receiver.viewer.schema import parse_layers, state_json
from tests.receiver.viewer.test_history import folded
from tests.support.scenes import Scene

TEXT, LINES, COLOURS, DETAIL = Layer.SEMANTIC, Layer.STRUCTURE, Layer.TEXTURE, Layer.DETAIL


def told(*events: Event) -> dict[str, Any]:
    state = json.loads(state_json(folded(*events), since=0, now=104.5, address=None))
    picture: dict[str, Any] = state["pictures"][0]
    return picture


def test_empty_state() -> None:
    data = state_json(History(5), since=0, now=1.23456, address="ws://192.0.2.7:8765")
    assert json.loads(data) == {"now": 1.235, "limit": 5, "address": "ws://192.0.2.7:8765", "pictures": []}


def test_whole_picture() -> None:
    picture = told(*Scene().whole())
    assert picture["bits_per_pixel"] == pytest.approx(480 * 8 / (96 * 64))
    assert (picture["received"], picture["announced"], picture["ended_at"]) == (480, 440, 3.0)
    assert picture["jpeg"] == {"size": 38_200, "rate": 2400.0, "seconds": 127.333, "first_bytes": 75.0}
    text, lines, colours = picture["layers"]
    assert (text["name"], text["first_at"], text["image"]) == ("semantic", 0.0, None)
    assert lines["image"].startswith("/api/pictures/p1/structure.png?v=")
    assert colours["image"].startswith("/api/pictures/p1/texture.png?v=")
    assert picture["frame"]["url"].startswith("/api/pictures/p1/frame.jpg?level=semantic,structure,texture&v=")
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
    data = state_json(folded(*Scene(prompt="two\nlines\r\n\n").whole()), since=0, now=0.0, address=None)
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
