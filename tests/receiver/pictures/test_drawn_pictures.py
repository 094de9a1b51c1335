"""Pictures are awaited and frames iterated over, without callbacks."""

import asyncio
from dataclasses import dataclass

import pytest
from PIL import Image

from codec.layers import Layer
from layercast_common.errors import RenderError
from layercast_common.tasks import BackgroundTasks
from receiver.events import FrameRendered, PictureCompleted, PictureFailed
from receiver.pictures.drawn_pictures import MAX_WAITING, REMEMBERED, DrawnPictures
from receiver.rendering.frames import Frame


@dataclass(frozen=True)
class Sent:
    session: str
    picture_id: int


def rendered(name: str, step: int = 4) -> FrameRendered:
    image = Image.new("RGB", (8, 8))
    frame = Frame(image=image, layers=frozenset({Layer.SEMANTIC}), step=step, steps=4, final=step == 4, seconds=0.1)
    return FrameRendered(picture=name, frame=frame, at=0.0)


def completed(name: str) -> PictureCompleted:
    return PictureCompleted(picture=name, received=1, at=0.0)


async def test_a_delivery_and_a_name_wait_for_the_last_frame() -> None:
    drawn = DrawnPictures()
    async with BackgroundTasks("test") as tasks:
        by_delivery = tasks.start(drawn.drawn(Sent("s", 1)), name="delivery")
        by_name = tasks.start(drawn.drawn("fox"), name="name")
        drawn.name("s", 1, "fox")
        for step in (2, 4):
            drawn.accept(rendered("fox", step))
            await asyncio.sleep(0)
            assert not by_name.done()
        drawn.accept(completed("fox"))
        assert (await by_name).final
        assert await by_delivery is await by_name
    assert await drawn.drawn(Sent("s", 1)) is by_name.result()


async def test_failures_reach_those_that_wait() -> None:
    drawn = DrawnPictures()
    drawn.name("s", 1, "fox")
    drawn.accept(PictureFailed(picture="fox", reason="no data arrived", at=0.0))
    drawn.accept(completed("unseen"))
    with pytest.raises(RenderError, match="no data arrived"):
        await drawn.drawn(Sent("s", 1))
    with pytest.raises(RenderError, match="no model"):
        await drawn.drawn("unseen")
    async with BackgroundTasks("test") as tasks:
        waiting = tasks.start(_error_of(drawn, "never"), name="waiting")
        await asyncio.sleep(0)
        drawn.close()
        assert "closed" in str(await waiting)


async def _error_of(drawn: DrawnPictures, name: str) -> RenderError:
    try:
        await drawn.drawn(name)
    except RenderError as error:
        return error
    raise AssertionError


async def test_frames_come_in_order_until_the_end_and_late_readers_miss_the_oldest() -> None:
    drawn = DrawnPictures()
    frames = drawn.frames()
    first = asyncio.ensure_future(anext(frames))
    await asyncio.sleep(0)
    drawn.accept(rendered("0"))
    assert (await first).picture == "0"
    for number in range(1, MAX_WAITING + 11):
        drawn.accept(rendered(str(number)))
    drawn.close()
    names = [event.picture async for event in frames]
    assert names == [str(number) for number in range(12, MAX_WAITING + 11)]
    assert [event async for event in drawn.frames()] == []


async def test_only_the_last_pictures_are_remembered() -> None:
    drawn = DrawnPictures()
    for number in range(REMEMBERED + 1):
        drawn.accept(rendered(str(number)))
        drawn.accept(completed(str(number)))
    drawn.close()
    with pytest.raises(RenderError, match="closed"):
        await drawn.drawn("0")
    assert (await drawn.drawn("1")).final
