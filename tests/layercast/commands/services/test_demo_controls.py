"""The demo's controls: pictures of visitors, and a link that changes while pictures travel."""

import asyncio
import io
from pathlib import Path

import pytest

from codec.container.bitstream import Bitstream
from codec.encoder.encode import encode
from codec.encoder.options import EncodeOptions
from codec.layers import Layer
from layercast.commands.services.demonstration import queue as queues
from layercast.commands.services.demonstration.link import emulated_link
from layercast.commands.services.demonstration.queue import PictureQueue
from layercast_common.errors import OutboxFullError, PictureError, UsageError
from protocol.link_profiles import LinkProfile
from receiver.receiver import Receiver
from tests.layercast.conftest import Run
from tests.support.pictures import draw_picture

SLOW = LinkProfile(name="slow", rate=1000, delay=0.05)


def png() -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(draw_picture(64, 64)).save(out, "PNG")
    return out.getvalue()


async def test_visitors_come_first_and_only_so_many_wait(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "MAX_WAITING", 1)
    queue = PictureQueue([house], EncodeOptions(prompt="a house on a hill", budget=300))
    waiting = asyncio.ensure_future(queue.wait(60))
    with pytest.raises(PictureError):
        await queue.accept(b"no picture", prompt=None)
    assert not waiting.done()
    queue.order = lambda: "fidelity"
    assert await queue.accept(png(), prompt="a barn") == 1
    await waiting
    with pytest.raises(OutboxFullError, match="waiting already"):
        await queue.accept(png(), prompt=None)
    first, second = await queue.next(), await queue.next()
    assert first.encoded.prompt.text == "a barn"
    assert Layer.STRUCTURE not in first.encoded.stream.decode().layers
    assert first.original.size == (64, 64)
    assert (second.name, second.encoded.prompt.text) == (house.name, "a house on a hill")


async def test_a_faster_link_is_used_at_once_and_a_broken_one_again() -> None:
    stream = encode(draw_picture(64, 64), "a house", EncodeOptions(budget=2000))
    async with (
        Receiver("ws://127.0.0.1:0", model=None) as receiver,
        emulated_link(SLOW, receiver.url) as (link, sender),
    ):
        assert sender.rate == 1000
        sending = asyncio.ensure_future(sender.send(stream))
        await asyncio.sleep(0.5)
        link.cut()
        # At the old rate, the picture takes 16 s; the sender and the link follow the new one.
        link.change({"rate": 400_000, "delay": 0.0, "order": "cheapest"})
        assert (await asyncio.wait_for(sending, 60)).complete
        assert (link.order, link.state()["order"]) == ("cheapest", "cheapest")
        assert sender.rate <= 400_000
        assert len(Bitstream.from_bytes(stream.to_bytes()).sections) == len(stream.sections)
        wrong: object
        for wrong in ({"order": "string"}, {"rate": -1}, {"order": "paper", "speed": 1}, []):
            with pytest.raises(UsageError):
                link.change(wrong)
        assert link.order == "cheapest"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (("demo", "--allow", "everything"), "there are redraw, link, send and none"),
        (("receive", "--allow", "link"), "there are redraw, original and none"),
    ],
)
def test_only_what_a_command_has_can_be_allowed(run: Run, line: tuple[str, ...], message: str) -> None:
    outcome = run(*line)
    assert outcome.code == 2
    assert message in outcome.err
