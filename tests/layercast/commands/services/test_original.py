"""The original of a picture travels to the page over HTTP, and in no byte count."""

import asyncio
from pathlib import Path

import pytest

from codec.encoder.options import EncodeOptions
from codec.encoder.picture import encode_picture
from layercast.commands.services import original
from layercast.commands.services.original import give_original
from layercast_common.errors import ConnectError
from receiver.archive.names import label_of
from receiver.receiver import Receiver
from receiver.viewer import Viewer, ViewerOptions
from receiver.viewer.control.controls import Controls
from sender.connection.options import SenderIdentity
from sender.connection.sender import Sender
from tests.layercast.conftest import Run


async def test_a_page_compares_with_the_original_that_was_sent_apart(
    house: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(original, "TRIES", 3)
    stream = encode_picture(house, EncodeOptions(prompt="a house", budget=300)).stream
    canvas, identity = stream.header.canvas, SenderIdentity.generate()
    allowed = True
    viewer = Viewer(ViewerOptions(controls=lambda: Controls(original=viewer.show_original) if allowed else Controls()))
    async with (
        viewer.serve("127.0.0.1", 0) as page,
        Receiver("ws://127.0.0.1:0", model=None, on_event=viewer.publish) as receiver,
        Sender(receiver.url, identity=identity) as sender,
    ):
        delivery = await sender.send(stream)
        label = label_of(identity.stream_id, identity.epoch, delivery.picture_id)

        def give(to: str) -> int:
            return give_original(page.rstrip("/"), to, house, canvas, None)

        size = await asyncio.to_thread(give, label)
        assert size > len(stream.to_bytes())
        async with asyncio.timeout(60):
            while not (picture := viewer._broadcaster.history.picture(label)) or picture.original is None:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert picture.received < size
        with pytest.raises(ConnectError, match="no such picture"):
            await asyncio.to_thread(give, "0123456789abcdef")
        allowed = False
        with pytest.raises(ConnectError, match="--allow original"):
            await asyncio.to_thread(give, label)
    with pytest.raises(ConnectError, match="cannot be reached"):
        await asyncio.to_thread(give, label)


@pytest.mark.parametrize("address", ["192.0.2.7:8080", "ws://192.0.2.7:8080", "http://", ""])
def test_only_addresses_of_pages_are_taken(run: Run, house: Path, address: str) -> None:
    outcome = run("send", house, "--to", "ws://127.0.0.1:1", "--with-original", address)
    assert outcome.code == 2
    assert "such as http://192.0.2.7:8080" in outcome.err
