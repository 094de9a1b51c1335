"""The state of pictures in the JSON schema."""

from collections.abc import Iterable
from urllib.parse import quote, urlencode

import msgspec

from codec.layer_numbers import Layer
from receiver.viewer.pictures.state import (
    Arrival,
    FrameState,
    History,
    LayerState,
    PictureState,
    RivalStage,
    VariantState,
)
from receiver.viewer.pictures.thumbnails import EncodedImage
from receiver.viewer.schema import (
    AboutView,
    ArrivalView,
    FrameView,
    JpegView,
    LayerName,
    LayerView,
    LevelView,
    PictureView,
    RivalView,
    StateView,
    TimelineView,
    VariantView,
)


def state_json(history: History, about: AboutView, *, since: int) -> bytes:
    """Return the pictures that changed after version `since` (0: all) as one JSON object without line breaks."""
    pictures = [picture_view(picture) for picture in history.changed_since(since)]
    return msgspec.json.encode(StateView(**msgspec.structs.asdict(about), limit=history.limit, pictures=pictures))


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
        arrivals=[_arrival_view(picture, arrival) for arrival in picture.arrivals],
        frames=len(picture.shown),
        rivals=len(picture.rivals),
        has_original=picture.original is not None,
        variants=[_variant_view(picture, one) for one in picture.variants if not _fills_level(picture, one)],
        recorded=picture.recorded,
        autoplay=picture.autoplay,
    )


def timeline_view(picture: PictureState) -> TimelineView:
    """Return how a picture arrived, as watchers get it."""
    opened = picture.opened
    moments = [0.0 if picture.ended_at is None else picture.ended_at - opened.at]
    moments += [arrival.at - opened.at for arrival in picture.arrivals]
    moments += [frame.at - opened.at for frame in picture.shown]
    return TimelineView(
        id=picture.id,
        duration=round(max(moments), 3),
        received=picture.received,
        frames=[_frame_view(picture, frame) for frame in picture.shown],
        original=None if picture.original is None else _image_url(picture, picture.original),
        rivals=[_rival_view(picture, stage) for stage in picture.rivals],
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
        url=_image_url(picture, frame.image),
        layers=names,
        step=frame.step,
        steps=frame.steps,
        final=frame.final,
        seconds=round(frame.seconds, 3),
        at=round(frame.at - picture.opened.at, 3),
        received=frame.received,
    )


def _arrival_view(picture: PictureState, arrival: Arrival) -> ArrivalView:
    return ArrivalView(
        layer=_names([arrival.layer])[0],
        size=arrival.size,
        at=round(arrival.at - picture.opened.at, 3),
        received=arrival.received,
    )


def _rival_view(picture: PictureState, stage: RivalStage) -> RivalView:
    return RivalView(
        name=stage.name,
        fitted=stage.fitted,
        budget=stage.budget,
        size=stage.size,
        at=round(stage.at - picture.opened.at, 3),
        url=None if stage.image is None else _image_url(picture, stage.image),
    )


def _variant_view(picture: PictureState, variant: VariantState) -> VariantView:
    change = variant.change
    return VariantView(
        number=variant.number,
        layers=None if change.layers is None else _names(change.layers),
        prompt=change.prompt,
        seed=change.seed,
        steps=change.steps,
        notes=list(variant.notes),
        reason=variant.reason,
        frame=None if variant.frame is None else _frame_view(picture, variant.frame),
    )


def _fills_level(picture: PictureState, variant: VariantState) -> bool:
    """Return whether a variant is the picture at a level that was skipped while it arrived."""
    layers = variant.change.layers
    is_level = variant.change.is_level and layers is not None and layers in _levels(picture)
    return is_level and variant.reason is None


def _levels(picture: PictureState) -> dict[frozenset[Layer], FrameState | None]:
    """Return the levels with a frame, and those passed while layers arrive, with their newest frame."""
    order = sorted(picture.layers, key=lambda layer: (min(layer.arrivals, default=float("inf")), layer.layer))
    levels: dict[frozenset[Layer], FrameState | None] = {
        frozenset(layer.layer for layer in order[: count + 1]): None for count in range(len(order))
    }
    for variant in picture.variants:
        if variant.frame is not None and variant.change.is_level and variant.change.layers in levels:
            levels[variant.change.layers] = variant.frame
    return levels | {frame.layers: frame for frame in picture.frames}


def _level_views(picture: PictureState) -> list[LevelView]:
    """Return the levels with a frame, and those passed while layers arrive; smallest first."""
    sizes = {layer.layer: layer.arrived_size for layer in picture.layers}
    found = _levels(picture)
    views = []
    before: frozenset[Layer] = frozenset()
    for layers in sorted(found, key=lambda ls: (len(ls), max(ls))):
        frame = found[layers]
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


def _image_url(picture: PictureState, image: EncodedImage) -> str:
    return f"/api/pictures/{quote(picture.id, safe='')}/images/{image.tag}.webp"


def _url(picture: PictureState, file: str, **query: str) -> str:
    return f"/api/pictures/{quote(picture.id, safe='')}/{file}?{urlencode(query, safe=',')}"


def _since(picture: PictureState, at: float | None) -> float | None:
    return None if at is None else round(at - picture.opened.at, 3)
