"""A receiver at several addresses of any kind, and receivers that only watch."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from layercast_common.errors import ListenError, UsageError
from protocol.connection.events import OfferReceived, PictureDone, ReceiverEvent, SectionReceived
from receiver.server import Server
from sender.connection.sender import Sender
from tests.support.brokers import mosquitto, needs_mosquitto
from tests.support.connection_pair import section
from tests.support.transport_fixtures import KINDS, PATIENCE, missing

PICTURE = [section(b"a red cat", urgency=0, layer=0), section(bytes(900), urgency=2), section(bytes(3000), urgency=6)]


def is_missing(name: str) -> bool:
    """Return whether a transport cannot be tested here."""
    return missing(next(kind for kind in KINDS if kind.name == name)) is not None


@needs_mosquitto
@pytest.mark.skipif(is_missing("webrtc"), reason="there is no network")
async def test_every_address_at_once(tmp_path: Path) -> None:
    events: list[ReceiverEvent] = []
    with mosquitto(tmp_path) as broker:
        addresses = ["ws://127.0.0.1:0", "webrtc+http://127.0.0.1:0", f"mqtt://127.0.0.1:{broker.port}/garden"]
        async with Server(addresses, on_event=events.append, token="secret") as server:
            assert [url.split("://")[0] for url in server.urls] == ["ws", "webrtc+http", "mqtt"]
            assert server.url == server.urls[0]

            async def send(url: str) -> bool:
                async with Sender(url, token="secret") as sender:
                    return (await sender.send_sections(b"head", PICTURE)).complete

            async with asyncio.timeout(PATIENCE):
                assert await asyncio.gather(*(send(url) for url in server.urls)) == [True] * 3
    assert sum(isinstance(event, PictureDone) for event in events) == 3


@needs_mosquitto
async def test_a_broadcast_is_watched_by_all_and_by_those_who_come_late(tmp_path: Path) -> None:
    heard: list[list[ReceiverEvent]] = [[], []]

    async def until_done(events: list[ReceiverEvent], pictures: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while sum(isinstance(event, PictureDone) for event in events) < pictures:  # noqa: ASYNC110 - in the broker
                await asyncio.sleep(0.02)

    with mosquitto(tmp_path) as broker:
        url = f"mqtt://127.0.0.1:{broker.port}/garden"
        async with (
            Server(f"{url}?watch", on_event=heard[0].append),
            Sender(f"{url}?broadcast", rate=1e6) as sender,
        ):
            for _ in range(2):
                delivery = await sender.send_sections(b"head", PICTURE)
                assert not delivery.complete, "a watcher does not acknowledge"
            await until_done(heard[0], 2)
            async with Server(f"{url}?watch", on_event=heard[1].append):
                await until_done(heard[1], 2)
                await sender.send_sections(b"head", PICTURE)
                for events in heard:
                    await until_done(events, 3)
    for events in heard:
        counts = Counter(type(event) for event in events)
        assert counts == {OfferReceived: 3, SectionReceived: 9, PictureDone: 3}
    assert [type(event) for event in heard[1][:4]] == [OfferReceived, SectionReceived] * 2, "the texts come first"


async def test_one_bad_address_leaves_nothing_open() -> None:
    first = Server("ws://127.0.0.1:0", on_event=print)
    async with first:
        port = first.url.rsplit(":", 1)[1]
    with pytest.raises(UsageError):
        await Server([f"ws://127.0.0.1:{port}", "carrier-pigeon://x"], on_event=print).__aenter__()
    async with Server(f"ws://127.0.0.1:{port}", on_event=print) as again:
        with pytest.raises(ListenError):
            await Server(["ws://127.0.0.1:0", again.url], on_event=print).__aenter__()
    with pytest.raises(UsageError, match="at least one address"):
        Server([], on_event=print)
