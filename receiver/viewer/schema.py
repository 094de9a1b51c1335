"""The state as JSON: what `/api/pictures` answers and what the live channel tells. Times in seconds, sizes in bytes."""

from collections.abc import Iterable
from typing import Literal
from urllib.parse import quote, urlencode

import msgspec

from codec.layers import Layer
from receiver.viewer.history import FrameState, History, LayerState, PictureState

LayerName = Literal["semantic", "structure", "texture", "detail"]


class LayerView(msgspec.Struct, frozen=True, kw_only=True):
    """A layer: bytes announced and arrived, and when its first and its newest section came, from the first packet."""

    name: LayerName
    size: int
    arrived_size: int
    sections: int
    arrived_sections: int
    first_at: float | None
    last_at: float | None
    image: str | None


class FrameView(msgspec.Struct, frozen=True, kw_only=True):
    """A frame: where to fetch it, what it was rendered from, and how far its run is."""

    url: str
    layers: list[LayerName]
    step: int
    steps: int
    final: bool
    seconds: float
    at: float


class LevelView(msgspec.Struct, frozen=True, kw_only=True):
    """A set of layers that the picture was, or can become, rendered from; `adds` is what the level before lacked."""

    layers: list[LayerName]
    adds: list[LayerName]
    size: int
    frame: FrameView | None


class JpegView(msgspec.Struct, frozen=True, kw_only=True):
    """A JPEG of the original on the same link: its size, its whole time, and what of it came with the first packet."""

    size: int
    rate: float
    seconds: float
    first_bytes: float


class PictureView(msgspec.Struct, frozen=True, kw_only=True):
    """One picture. `opened_at` is in seconds of the receiver's clock, as `StateView.now`; all else is from there on."""

    id: str
    width: int
    height: int
    model: str
    seed: int
    rate: float
    opened_at: float
    ended_at: float | None
    status: str
    reason: str | None
    prompt: str | None
    received: int
    announced: int
    bits_per_pixel: float
    jpeg: JpegView | None
    layers: list[LayerView]
    levels: list[LevelView]
    frame: FrameView | None


class StateView(msgspec.Struct, frozen=True, kw_only=True):
    """All pictures, oldest first, or those that changed.

    Attributes:
        now: the receiver's clock.
        limit: pictures that are remembered.
        address: where senders send to, if it is known.
        pictures: the pictures.
    """

    now: float
    limit: int
    address: str | None
    pictures: list[PictureView]


def state_json(history: History, *, since: int, now: float, address: str | None) -> bytes:
    """The pictures that changed after version `since` (0: all), as one JSON object without line breaks."""
    pictures = [picture_view(picture) for picture in history.changed_since(since)]
    return msgspec.json.encode(StateView(now=round(now, 3), limit=history.limit, address=address, pictures=pictures))


def picture_view(picture: PictureState) -> PictureView:
    """A picture's state as it is told to watchers."""
    opened = picture.opened
    width, height = opened.canvas
    newest = picture.frame()
    return PictureView(
        id=picture.id,
        width=width,
        height=height,
        model=opened.model,
        seed=opened.seed,
        rate=opened.rate,
        opened_at=round(opened.at, 3),
        ended_at=_since(picture, picture.ended_at),
        status=picture.status.value,
        reason=picture.reason,
        prompt=picture.prompt,
        received=picture.received,
        announced=sum(layer.size for layer in picture.layers),
        bits_per_pixel=round(picture.received * 8 / (width * height), 5),
        jpeg=_jpeg_view(picture),
        layers=[_layer_view(picture, layer) for layer in picture.layers],
        levels=_level_views(picture),
        frame=None if newest is None else _frame_view(picture, newest),
    )


def parse_layers(names: str) -> frozenset[Layer] | None:
    """Read a level as addresses name it, "semantic,structure"; None if it names none."""
    wanted = names.split(",")
    known = {layer.name.lower(): layer for layer in Layer}
    if len(wanted) > len(known) or not known.keys() >= set(wanted):
        return None
    return frozenset(known[name] for name in wanted)


def _jpeg_view(picture: PictureState) -> JpegView | None:
    opened = picture.opened
    if not (opened.jpeg_size and opened.rate):
        return None
    return JpegView(
        size=opened.jpeg_size,
        rate=opened.rate,
        seconds=round(opened.jpeg_size * 8 / opened.rate, 3),
        first_bytes=round(picture.first_bytes, 1),
    )


def _layer_view(picture: PictureState, layer: LayerState) -> LayerView:
    name = _names([layer.layer])[0]
    return LayerView(
        name=name,
        size=layer.size,
        arrived_size=layer.arrived_size,
        sections=max(len(layer.sizes), len(layer.arrivals)),
        arrived_sections=len(layer.arrivals),
        first_at=_since(picture, min(layer.arrivals, default=None)),
        last_at=_since(picture, max(layer.arrivals, default=None)),
        image=None if layer.drawing is None else _address(picture, f"{name}.png", v=layer.drawing.tag),
    )


def _frame_view(picture: PictureState, frame: FrameState) -> FrameView:
    names = _names(frame.layers)
    return FrameView(
        url=_address(picture, "frame.jpg", level=",".join(names), v=frame.drawing.tag),
        layers=names,
        step=frame.step,
        steps=frame.steps,
        final=frame.final,
        seconds=round(frame.seconds, 3),
        at=round(frame.at - picture.opened.at, 3),
    )


def _level_views(picture: PictureState) -> list[LevelView]:
    """Every level that has a frame or lies on the way of the layers' arrival, smallest first."""
    order = sorted(picture.layers, key=lambda layer: (min(layer.arrivals, default=float("inf")), layer.layer))
    on_the_way = [frozenset(layer.layer for layer in order[: count + 1]) for count in range(len(order))]
    sizes = {layer.layer: layer.arrived_size for layer in order}
    views = []
    before: frozenset[Layer] = frozenset()
    for layers in sorted({*on_the_way, *(frame.layers for frame in picture.frames)}, key=lambda ls: (len(ls), max(ls))):
        frame = picture.frame(layers)
        views.append(
            LevelView(
                layers=_names(layers),
                adds=_names(layers - before),
                size=sum(sizes.get(layer, 0) for layer in layers),
                frame=None if frame is None else _frame_view(picture, frame),
            )
        )
        before = layers
    return views


def _names(layers: Iterable[Layer]) -> list[LayerName]:
    names: dict[Layer, LayerName] = {
        Layer.SEMANTIC: "semantic",
        Layer.STRUCTURE: "structure",
        Layer.TEXTURE: "texture",
        Layer.DETAIL: "detail",
    }
    return [names[layer] for layer in sorted(layers)]


def _address(picture: PictureState, file: str, **query: str) -> str:
    return f"/api/pictures/{quote(picture.id, safe='')}/{file}?{urlencode(query, safe=',')}"


def _since(picture: PictureState, at: float | None) -> float | None:
    return None if at is None else round(at - picture.opened.at, 3)
