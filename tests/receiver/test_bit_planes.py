"""A receiver of pictures with bit planes: every section gives a better frame, in whatever order packets arrive."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from codec.container.bitstream import Bitstream, Coder
from codec.encoder.encode import encode
from codec.encoder.options import EncodeOptions
from codec.layers import Layer
from protocol.connection.events import PictureDone
from receiver.archive import Archive, label_of
from receiver.events import FrameRendered, LayerArrived, PictureCompleted
from receiver.options import RenderOptions
from receiver.receiver import Receiver
from receiver.rendering.frames import Frame
from receiver.rendering.loader import load_model
from receiver.rendering.model_files.files import RESTORATION_FOLDER
from receiver.rendering.restoration.restorer import Restorer, save_restoration
from receiver.replay import offer_of, sections_of
from sender.connection.sender import Sender
from tests.receiver.test_receiver import ANY_PORT, Watch, files_in, streams_in
from tests.support.models import build_restoration, build_tiny_model
from tests.support.pictures import draw_picture


@pytest.fixture(scope="module")
def stream() -> Bitstream:
    """A picture with a prompt, texture and several sections of detail."""
    return encode(draw_picture(128, 128), "a house on a hill", EncodeOptions(budget=900, seed=3, order="fidelity"))


@pytest.fixture(scope="module")
def restoring_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny model and a restoration network."""
    folder = build_tiny_model(tmp_path_factory.mktemp("models") / "restoring")
    save_restoration(build_restoration(), folder / RESTORATION_FOLDER)
    return folder


@pytest.fixture
def watch() -> Watch:
    return Watch()


def frames_of(watch: Watch) -> list[Frame]:
    return [event.frame for event in watch.events if isinstance(event, FrameRendered)]


def arrivals(watch: Watch) -> list[Layer]:
    return [event.layer for event in watch.events if isinstance(event, LayerArrived)]


def pixels(path: Path) -> NDArray[np.uint8]:
    return np.asarray(Image.open(path))


def layers_of(stream: Bitstream) -> list[int]:
    return [int(section.layer) for section in stream.sections]


def test_the_stream_has_several_sections_of_detail(stream: Bitstream) -> None:
    assert [*dict.fromkeys(layers_of(stream))] == [Layer.SEMANTIC, Layer.TEXTURE, Layer.DETAIL]
    assert layers_of(stream).count(Layer.DETAIL) > 2
    assert [section.coder for section in stream.sections[1:]] == [Coder.PLANES] * (len(stream.sections) - 1)


@pytest.mark.parametrize("network", [False, True])
async def test_a_picture_is_restored_from_all_that_was_sent(
    tiny_model: Path, restoring_model: Path, tmp_path: Path, stream: Bitstream, watch: Watch, network: bool
) -> None:
    model = restoring_model if network else tiny_model
    async with (
        Receiver(ANY_PORT, model=model, archive=tmp_path, on_event=watch) as receiver,
        Sender(receiver.url) as sender,
    ):
        await sender.send(stream)
        (ended,) = await watch.until_ended()
        text, _ = receiver.metrics.text()
    assert isinstance(ended, PictureCompleted)
    assert arrivals(watch) == layers_of(stream)
    plane = stream.decode().plane
    assert plane is not None
    wanted = Restorer(build_restoration()).restore(plane) if network else plane.to_image()
    final = frames_of(watch)[-1]
    assert (final.level, final.steps, final.final) == (Layer.DETAIL, 1, True)
    assert np.array_equal(np.asarray(final.image), wanted)
    assert streams_in(tmp_path) == [stream]
    (detail,) = (path for path in files_in(tmp_path) if path.name.endswith(".detail.png"))
    assert np.array_equal(pixels(detail), wanted)
    counted = dict(line.rsplit(" ", 1) for line in text.decode().splitlines() if not line.startswith("#"))
    assert float(counted['layercast_receiver_sections_total{layer="detail"}']) == layers_of(stream).count(Layer.DETAIL)
    assert float(counted['layercast_receiver_frames_total{level="detail"}']) >= 1


async def deliver(receiver: Receiver, watch: Watch, stream: Bitstream, order: list[int]) -> None:
    """Give a receiver the sections of a stream one by one; wait for the frame that each of them is worth."""
    offer = offer_of(stream, 0)
    await receiver._accept_event(replace(offer, session="a"))
    events = sections_of(stream, 0)
    for index in order:
        before = arrivals(watch)
        await receiver._accept_event(replace(events[index], session="a"))
        if len(arrivals(watch)) > len(before):
            known = len(arrivals(watch))
            await watch.until(lambda: final_after_arrivals(watch, known))  # noqa: B023 - called in this iteration
    await receiver._accept_event(PictureDone(session="a", picture_id=0, received=len(stream.to_bytes())))
    await watch.until_ended()


def final_after_arrivals(watch: Watch, count: int) -> bool:
    """Return whether a final frame was rendered since the last of `count` arrivals."""
    last = [place for place, event in enumerate(watch.events) if isinstance(event, LayerArrived)][count - 1]
    return any(isinstance(event, FrameRendered) and event.frame.final for event in watch.events[last:])


async def test_each_section_gives_a_better_frame(restoring_model: Path, stream: Bitstream, watch: Watch) -> None:
    async with Receiver(ANY_PORT, render=RenderOptions(model=restoring_model, steps=2), on_event=watch) as receiver:
        await deliver(receiver, watch, stream, list(range(len(stream.sections))))
    finals = [frame for frame in frames_of(watch) if frame.final]
    assert [int(frame.level) for frame in finals] == layers_of(stream)
    planes = [replace(stream, sections=stream.sections[: count + 1]).decode().plane for count in range(1, len(finals))]
    restorer = load_model(restoring_model, "cpu").restoration
    assert restorer is not None
    for frame, plane in zip(finals[1:], planes, strict=True):
        assert plane is not None
        assert np.array_equal(np.asarray(frame.image), restorer.restore(plane))


async def test_sections_that_overtake_others_wait_for_them(tiny_model: Path, stream: Bitstream, watch: Watch) -> None:
    count = len(stream.sections)
    order = [0, *range(count - 1, 0, -1)]
    async with Receiver(ANY_PORT, render=RenderOptions(model=tiny_model, steps=2), on_event=watch) as receiver:
        await deliver(receiver, watch, stream, order)
    assert arrivals(watch) == layers_of(stream)
    finals = [frame for frame in frames_of(watch) if frame.final]
    assert [frame.level for frame in finals] == [Layer.SEMANTIC, Layer.DETAIL]
    plane = stream.decode().plane
    assert plane is not None
    assert np.array_equal(np.asarray(finals[-1].image), plane.to_image())


async def test_detail_after_a_lost_section_is_not_archived(
    tiny_model: Path, tmp_path: Path, stream: Bitstream, watch: Watch
) -> None:
    """The deadline of a section passed, so its sender gave it up; the planes after it cannot be decoded."""
    lost = 3
    order = [index for index in range(len(stream.sections)) if index != lost]
    async with Receiver(
        ANY_PORT, render=RenderOptions(model=tiny_model, steps=2), archive=tmp_path, on_event=watch
    ) as receiver:
        await deliver(receiver, watch, stream, order)
    assert streams_in(tmp_path) == [replace(stream, sections=stream.sections[:lost])]


async def test_an_archived_stream_is_restored_again(
    restoring_model: Path, tmp_path: Path, stream: Bitstream, watch: Watch
) -> None:
    Archive(tmp_path).store(label_of(b"ship", 1, 7), datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC), stream)
    render = RenderOptions(model=restoring_model, steps=2)
    async with Receiver(ANY_PORT, render=render, archive=tmp_path, on_event=watch):
        await watch.until_ended()
    plane = stream.decode().plane
    assert plane is not None
    (drawn,) = (path for path in files_in(tmp_path) if path.name.endswith(".detail.png"))
    assert np.array_equal(pixels(drawn), Restorer(build_restoration()).restore(plane))
    before = len(watch.events)
    async with Receiver(ANY_PORT, render=render, archive=tmp_path, on_event=watch) as receiver:
        assert receiver._redrawing is not None
        await receiver._redrawing
    assert len(watch.events) == before
