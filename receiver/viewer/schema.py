"""JSON schema of `/api/pictures` and of the live channel. Times in seconds, sizes in bytes."""

from collections.abc import Iterable
from typing import Literal
from urllib.parse import quote, urlencode

import msgspec

from codec.layers import Layer
from receiver.viewer.history import FrameState, History, LayerState, PictureState

LayerName = Literal["semantic", "structure", "texture", "detail"]


class LayerView(msgspec.Struct, frozen=True, kw_only=True):
    """A layer: bytes announced and arrived; times of its first and newest section, from the first packet on."""

    name: LayerName
    size: int
    arrived_size: int
    sections: int
    arrived_sections: int
    first_at: float | None
    last_at: float | None
    image: str | None


class FrameView(msgspec.Struct, frozen=True, kw_only=True):
    """A frame: its URL, the layers that it was rendered from, and the denoising step."""

    url: str
    layers: list[LayerName]
    step: int
    steps: int
    final: bool
    seconds: float
    at: float


class LevelView(msgspec.Struct, frozen=True, kw_only=True):
    """A set of layers to render from; `adds` are the layers that the level before lacks."""

    layers: list[LayerName]
    adds: list[LayerName]
    size: int
    frame: FrameView | None


class JpegView(msgspec.Struct, frozen=True, kw_only=True):
    """A JPEG of the original on the same link: its size, its transfer time, and the bytes of it in the first packet."""

    size: int
    rate: float
    seconds: float
    first_bytes: float


class PictureView(msgspec.Struct, frozen=True, kw_only=True):
    """One picture. `opened_at` is in seconds of the receiver's clock, as `StateView.now`; other times count from it."""

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
    guess: str | None
    received: int
    announced: int
    bits_per_pixel: float
    jpeg: JpegView | None
    layers: list[LayerView]
    levels: list[LevelView]
    frame: FrameView | None


class StateView(msgspec.Struct, frozen=True, kw_only=True):
    """All pictures, or the changed ones, oldest first.

    Attributes:
        now: the receiver's clock.
        limit: number of remembered pictures.
        address: the URL for senders, if known.
        pictures: the pictures.
    """

    now: float
    limit: int
    address: str | None
    pictures: list[PictureView]


def state_json(history: History, *, since: int, now: float, address: str | None) -> bytes:
    """Return the pictures that changed after version `since` (0: all) as one JSON object without line breaks."""
    pictures = [picture_view(picture) for picture in history.changed_since(since)]
    return msgspec.json.encode(StateView(now=round(now, 3), limit=history.limit, address=address, pictures=pictures))


def picture_view(picture: PictureState) -> PictureView:
    """Return a picture's state as watchers get it."""
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
        guess=None if opened.guess is None else opened.guess.describe(),
        received=picture.received,
        announced=sum(layer.size for layer in picture.layers),
        bits_per_pixel=round(picture.received * 8 / (width * height), 5),
        jpeg=_jpeg_view(picture),
        layers=[_layer_view(picture, layer) for layer in picture.layers],
        levels=_level_views(picture),
        frame=None if newest is None else _frame_view(picture, newest),
    )


def parse_layers(names: str) -> frozenset[Layer] | None:
    """Parse a level as in URLs, such as "semantic,structure"; None if it is malformed."""
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
    file = f"{name}.jpg" if layer.layer is Layer.DETAIL else f"{name}.png"
    return LayerView(
        name=name,
        size=layer.size,
        arrived_size=layer.arrived_size,
        sections=max(len(layer.sizes), len(layer.arrivals)),
        arrived_sections=len(layer.arrivals),
        first_at=_since(picture, min(layer.arrivals, default=None)),
        last_at=_since(picture, max(layer.arrivals, default=None)),
        image=None if layer.image is None else _url(picture, file, v=layer.image.tag),
    )


def _frame_view(picture: PictureState, frame: FrameState) -> FrameView:
    names = _names(frame.layers)
    return FrameView(
        url=_url(picture, "frame.jpg", level=",".join(names), v=frame.image.tag),
        layers=names,
        step=frame.step,
        steps=frame.steps,
        final=frame.final,
        seconds=round(frame.seconds, 3),
        at=round(frame.at - picture.opened.at, 3),
    )


def _level_views(picture: PictureState) -> list[LevelView]:
    """Return the levels with a frame, and those passed while layers arrive; smallest first."""
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


def _url(picture: PictureState, file: str, **query: str) -> str:
    return f"/api/pictures/{quote(picture.id, safe='')}/{file}?{urlencode(query, safe=',')}"


def _since(picture: PictureState, at: float | None) -> float | None:
    return None if at is None else round(at - picture.opened.at, 3)
