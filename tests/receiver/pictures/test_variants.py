"""Variants: other words, layers, seed or steps, while a picture arrives and afterwards, with a real engine."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from codec.container.bitstream import Bitstream
from codec.encoder.encode import encode
from codec.encoder.options import EncodeOptions
from codec.layers import EdgeMap, Layer
from layercast_common.errors import EngineBusyError, RenderError, UsageError
from receiver.change import MAX_PROMPT, PictureChange
from receiver.events import Event, PictureCompleted, PictureOpened, VariantDrawn
from receiver.options import RenderOptions
from receiver.pictures import variants
from receiver.receiver import Receiver
from sender.connection.sender import Sender
from tests.support.pictures import draw_picture

TEXT, LINES, COLOURS, DETAIL = Layer


@pytest.fixture(scope="module")
def stream() -> Bitstream:
    return encode(draw_picture(64, 64), "a house on a hill", EncodeOptions(budget=400, seed=3))


class Watch:
    """Collects events and waits for them."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._changed = asyncio.Event()

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        self._changed.set()

    async def until(self, true: Callable[[Event], bool]) -> Event:
        async with asyncio.timeout(60):
            while not (found := [event for event in self.events if true(event)]):
                self._changed.clear()
                await self._changed.wait()
        return found[-1]

    async def drawn(self, number: int) -> VariantDrawn:
        """Wait for the last frame of a variant, or its failure."""

        def ended(event: Event) -> bool:
            if not isinstance(event, VariantDrawn) or event.number != number:
                return False
            return event.reason is not None or (event.frame is not None and event.frame.final)

        event = await self.until(ended)
        assert isinstance(event, VariantDrawn)
        return event


def receiving(model: Path, watch: Watch) -> Receiver:
    return Receiver("ws://127.0.0.1:0", on_event=watch, render=RenderOptions(model=model, steps=2))


async def test_a_finished_picture_is_drawn_with_changes(tiny_model: Path, stream: Bitstream) -> None:
    watch = Watch()
    async with receiving(tiny_model, watch) as receiver:
        words = await watch.drawn(receiver.redraw("p", PictureChange(prompt="a barn"), stream))
        fewer = await watch.drawn(receiver.redraw("p", PictureChange(layers=frozenset({TEXT, LINES}), seed=9), stream))
        more = await watch.drawn(receiver.redraw("p", PictureChange(steps=5), stream))
        level = await watch.drawn(receiver.redraw("p", PictureChange(layers=frozenset({TEXT})), stream))
    assert words.reason is fewer.reason is more.reason is None
    assert words.frame
    assert words.frame.layers == {TEXT, LINES, COLOURS}
    assert "bit planes were replaced" in words.notes[0]
    assert fewer.frame
    assert fewer.frame.layers == {TEXT, LINES}
    assert more.frame
    assert more.frame.steps == 5
    assert level.frame
    assert (level.frame.layers, level.notes, level.change.is_level) == (frozenset({TEXT}), (), True)
    assert len({words.number, fewer.number, more.number, level.number}) == 4


async def test_layers_that_arrive_later_are_drawn_with_the_change(tiny_model: Path, stream: Bitstream) -> None:
    watch = Watch()
    async with receiving(tiny_model, watch) as receiver, Sender(receiver.url, rate=4000) as sender:
        sending = asyncio.ensure_future(sender.send(stream))
        opened = await watch.until(lambda event: isinstance(event, PictureOpened))
        await watch.until(lambda event: not isinstance(event, PictureOpened))
        number = receiver.redraw(opened.picture, PictureChange(seed=11))
        await watch.until(lambda event: isinstance(event, PictureCompleted))
        last = await watch.until(
            lambda event: (
                isinstance(event, VariantDrawn)
                and event.frame is not None
                and event.frame.final
                and COLOURS in event.frame.layers
            )
        )
        await sending
        assert isinstance(last, VariantDrawn)
        assert last.number == number
        # The picture itself is drawn from its own seed: its frames are no variants.
        assert await receiver.drawn(opened.picture)


async def test_what_cannot_be_drawn_is_said(
    tiny_model: Path, stream: Bitstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch()
    text = Bitstream(stream.header, stream.sections[:1])
    async with receiving(tiny_model, watch) as receiver:
        failed = await watch.drawn(receiver.redraw("p", PictureChange(layers=frozenset({COLOURS})), text))
        assert failed.reason == "none of these layers has arrived"
        with pytest.raises(UsageError, match="nothing of picture q"):
            receiver.redraw("q", PictureChange(seed=1))
        monkeypatch.setattr(variants, "MAX_DRAWING", 0)
        with pytest.raises(EngineBusyError):
            receiver.redraw("p", PictureChange(seed=1), stream)
    async with Receiver("ws://127.0.0.1:0", model=None) as receiver:
        with pytest.raises(RenderError, match="no model"):
            receiver.redraw("p", PictureChange(seed=1), stream)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"layers": frozenset()}, "at least one layer"),
        ({"prompt": "  "}, "1 to 2000"),
        ({"prompt": "x" * (MAX_PROMPT + 1)}, "1 to 2000"),
        ({"prompt": "x", "layers": frozenset({COLOURS})}, "without the text layer"),
        ({"seed": -1}, "0 to 4294967295"),
        ({"seed": 2**32}, "0 to 4294967295"),
        ({"steps": 0}, "1 to 1000"),
        ({"steps": 1001}, "1 to 1000"),
    ],
)
def test_changes_have_limits(values: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        PictureChange(**values)  # type: ignore[arg-type]


def test_only_edited_words_replace_bit_planes(stream: Bitstream) -> None:
    priors, notes = PictureChange(layers=frozenset({TEXT, COLOURS})).apply(stream)
    assert priors.plane is not None
    assert notes == ()
    priors, notes = PictureChange(prompt="a barn").apply(stream)
    assert priors.semantic is not None
    assert priors.semantic.prompt == "a barn"
    assert priors.plane is None
    assert isinstance(priors.structure, EdgeMap)
    assert len(notes) == 1
