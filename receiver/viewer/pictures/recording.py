"""Recorded arrivals: everything the page shows of one picture, as one file, to show it again without a model.

A file is MessagePack: a map with `format` and `version` first. Times count from the first packet, in seconds.
"""

from dataclasses import replace
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from codec.layer_numbers import Layer
from layercast_common.errors import BitstreamError
from receiver.events import PictureOpened, SectionSize
from receiver.viewer.pictures.state import Arrival, FrameState, LayerState, PictureState, RivalStage, Status
from receiver.viewer.pictures.thumbnails import EncodedImage, tagged

#: Suffix of a recorded arrival's file name.
SUFFIX = ".arrival"

#: Limit of a file, in bytes, and of the lists in it.
MAX_RECORDING = 32 * 1024 * 1024
MAX_ITEMS = 512

#: First bytes of the kinds of images that a recording may hold.
_IMAGE_STARTS = (b"RIFF", b"\x89PNG", b"\xff\xd8\xff")

_Text = Annotated[str, Meta(max_length=65_536)]
_Time = Annotated[float, Meta(ge=0, le=1e9)]
_Count = Annotated[int, Meta(ge=0, le=2**40)]
_LayerNumber = Annotated[int, Meta(ge=0, le=int(max(Layer)))]
_Numbers = Annotated[list[_LayerNumber], Meta(max_length=len(Layer))]


class _Section(msgspec.Struct):
    layer: _LayerNumber
    size: _Count


class _Layer(msgspec.Struct):
    layer: _LayerNumber
    sizes: Annotated[list[_Count], Meta(max_length=MAX_ITEMS)]
    arrivals: Annotated[list[_Time], Meta(max_length=MAX_ITEMS)]
    image: bytes | None


class _Frame(msgspec.Struct):
    layers: _Numbers
    step: _Count
    steps: _Count
    final: bool
    seconds: _Time
    at: _Time
    received: _Count
    image: bytes


class _Arrival(msgspec.Struct):
    layer: _LayerNumber
    size: _Count
    at: _Time
    received: _Count


class _Rival(msgspec.Struct):
    name: Annotated[str, Meta(max_length=16)]
    fitted: bool
    budget: _Count
    size: _Count
    at: _Time
    image: bytes | None


class _File(msgspec.Struct, kw_only=True):
    format: Literal["layercast arrival"] = "layercast arrival"
    version: Literal[1] = 1
    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._~-]{0,127}$")]
    width: Annotated[int, Meta(ge=1, le=65_535)]
    height: Annotated[int, Meta(ge=1, le=65_535)]
    model: _Text
    seed: _Count
    rate: _Time
    jpeg_size: _Count
    sections: Annotated[list[_Section], Meta(max_length=MAX_ITEMS)]
    prompt: _Text | None
    received: _Count
    first_bytes: _Time
    complete: bool
    ended_at: _Time | None
    reason: _Text | None
    layers: Annotated[list[_Layer], Meta(max_length=len(Layer))]
    frames: Annotated[list[_Frame], Meta(max_length=MAX_ITEMS)]
    arrivals: Annotated[list[_Arrival], Meta(max_length=MAX_ITEMS)]
    original: bytes | None
    rivals: Annotated[list[_Rival], Meta(max_length=MAX_ITEMS)]
    stream: bytes


def recording_to_bytes(picture: PictureState) -> bytes:
    """Return the recording of a picture that has ended, as a file."""
    opened = picture.opened
    began = opened.at
    return msgspec.msgpack.encode(
        _File(
            name=picture.id,
            width=opened.canvas[0],
            height=opened.canvas[1],
            model=opened.model,
            seed=opened.seed,
            rate=opened.rate,
            jpeg_size=opened.jpeg_size,
            sections=[_Section(int(section.layer), section.size) for section in opened.sections],
            prompt=picture.prompt,
            received=picture.received,
            first_bytes=picture.first_bytes,
            complete=picture.status is Status.COMPLETE,
            ended_at=None if picture.ended_at is None else picture.ended_at - began,
            reason=picture.reason,
            layers=[
                _Layer(int(one.layer), list(one.sizes), [at - began for at in one.arrivals], _data(one.image))
                for one in picture.layers
            ],
            frames=[
                _Frame(
                    sorted(map(int, one.layers)),
                    one.step,
                    one.steps,
                    one.final,
                    one.seconds,
                    one.at - began,
                    one.received,
                    one.image.data,
                )
                for one in picture.shown
            ],
            arrivals=[_Arrival(int(one.layer), one.size, one.at - began, one.received) for one in picture.arrivals],
            original=_data(picture.original),
            rivals=[
                _Rival(one.name, one.fitted, one.budget, one.size, one.at - began, _data(one.image))
                for one in picture.rivals
            ],
            stream=picture.stream,
        )
    )


def recording_from_bytes(data: bytes, *, name: str | None = None) -> PictureState:
    """Parse a recording.

    Args:
        data: the file.
        name: the picture's name; the recorded one if None.

    Raises:
        BitstreamError: the bytes are not a recording, are damaged, or exceed a limit.
    """
    if len(data) > MAX_RECORDING:
        raise BitstreamError(f"a recorded arrival has at most {MAX_RECORDING} bytes, not {len(data)}")
    try:
        file = msgspec.msgpack.decode(data, type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BitstreamError(f"this is not a recorded arrival, or it is damaged: {error}") from error
    opened = PictureOpened(
        picture=file.name,
        canvas=(file.width, file.height),
        model=file.model,
        seed=file.seed,
        sections=tuple(SectionSize(layer=Layer(one.layer), size=one.size) for one in file.sections),
        rate=file.rate,
        jpeg_size=file.jpeg_size,
        at=0.0,
    )
    return PictureState(
        opened=opened if name is None else replace(opened, picture=name),
        version=0,
        layers=tuple(
            LayerState(
                layer=Layer(one.layer), sizes=tuple(one.sizes), arrivals=tuple(one.arrivals), image=_image(one.image)
            )
            for one in file.layers
        ),
        prompt=file.prompt,
        shown=tuple(_frame(one) for one in file.frames),
        arrivals=tuple(
            Arrival(layer=Layer(one.layer), size=one.size, at=one.at, received=one.received) for one in file.arrivals
        ),
        received=file.received,
        first_bytes=file.first_bytes,
        status=Status.COMPLETE if file.complete else Status.FAILED,
        ended_at=file.ended_at,
        reason=file.reason,
        original=_image(file.original),
        rivals=tuple(
            RivalStage(
                name=one.name,
                fitted=one.fitted,
                budget=one.budget,
                size=one.size,
                at=one.at,
                image=_image(one.image),
            )
            for one in file.rivals
        ),
        recorded=True,
        stream=file.stream,
    )


def _frame(one: _Frame) -> FrameState:
    image = _image(one.image)
    assert image is not None
    return FrameState(
        layers=frozenset(map(Layer, one.layers)),
        step=one.step,
        steps=one.steps,
        final=one.final,
        seconds=one.seconds,
        at=one.at,
        received=one.received,
        image=image,
    )


def _data(image: EncodedImage | None) -> bytes | None:
    return None if image is None else image.data


def _image(data: bytes | None) -> EncodedImage | None:
    """Return an image of a recording.

    Raises:
        BitstreamError: it is not of a kind that browsers are given.
    """
    if data is None:
        return None
    if not data.startswith(_IMAGE_STARTS):
        raise BitstreamError("this recorded arrival holds something that is not a picture")
    return tagged(data)
