"""Faults over real transports of every kind: packets go missing or come twice, and ways break off."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from layercast_common.errors import LayercastError
from protocol import Driver, Limits, OutgoingSection, ReceiverConnection, SenderConnection, Sessions, decode_packet
from protocol.connection.events import Event, OfferReceived, PictureAcknowledged, PictureDone, SectionReceived, Welcomed
from protocol.receiving.options import ReceiverOptions
from protocol.recovery.path import PathOptions
from protocol.sending.handshake import SenderCredentials
from protocol.transports.base import Transport
from protocol.wire.packets import Data, Offer
from tests.support.adversary import CARRIERS, PATIENCE
from tests.support.transport_fixtures import Kind, Station

#: In bit/s: so that a picture takes long enough for something to happen to it.
RATE = 400_000.0

SECTIONS = [
    OutgoingSection(layer=0, coder=0, payload=b"an old red lighthouse at the sea", urgency=0),
    OutgoingSection(layer=1, coder=1, payload=bytes(range(250)) * 3, urgency=2),
    OutgoingSection(layer=3, coder=3, payload=bytes(range(256)) * 60, urgency=6, incremental=True),
]

#: What becomes of a sender's packet: (its place in the row, its bytes) -> what goes on.
Fate = Callable[[int, bytes], list[bytes]]


def every_third_lost(place: int, packet: bytes) -> list[bytes]:
    """Two of three arrive."""
    return [] if place % 3 == 2 else [packet]


def first_offer_lost(place: int, packet: bytes) -> list[bytes]:
    """The packet that everything stands on."""
    return [] if place == 1 else [packet]


def everything_twice(_place: int, packet: bytes) -> list[bytes]:
    """A link that stammers."""
    return [packet, packet]


def breaks_after(packets: int) -> Fate:
    """A way that carries so many packets, and no more."""
    return lambda place, packet: [packet] if place < packets else []


def shuffled() -> Fate:
    """Packets leave three by three, the last first."""
    waiting: list[bytes] = []

    def fate(_place: int, packet: bytes) -> list[bytes]:
        if not isinstance(decode_packet(packet), Data):
            return [packet]
        waiting.append(packet)
        if len(waiting) < 3:
            return []
        gone, waiting[:] = waiting[::-1], []
        return gone

    return fate


class Meddler(Transport):
    """A transport whose outgoing packets have a fate."""

    def __init__(self, inner: Transport, fate: Fate) -> None:
        self.mtu, self.peer, self.rate_hint = inner.mtu, inner.peer, inner.rate_hint
        self.reliable = self.ordered = False
        self._inner = inner
        self._fate = fate
        self._place = 0
        #: What the sender said.
        self.said: list[bytes] = []

    async def send(self, packet: bytes) -> None:
        """See `Transport.send`."""
        self.said.append(packet)
        self._place += 1
        for one in self._fate(self._place - 1, packet):
            await self._inner.send(one)

    async def recv(self) -> bytes:
        """See `Transport.recv`."""
        return await self._inner.recv()

    async def close(self, code: int = 0) -> None:
        """See `Transport.close`."""
        await self._inner.close(code)


class Talk:
    """A sender and a receiver over one way after the other."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._loop = asyncio.get_running_loop()
        self._sessions = Sessions(Limits())
        self._news = asyncio.Event()
        self.told: list[Event] = []
        self.heard: list[Event] = []
        self.sender = SenderConnection(
            now=self._loop.time(),
            resumable=True,
            credentials=SenderCredentials(stream_id=b"carried"),
            path=PathOptions(rate=RATE, reliable=False),
        )

    @contextlib.asynccontextmanager
    async def way(self, fate: Fate = lambda _place, packet: [packet]) -> AsyncIterator[Meddler]:
        """A way between them; at the end it breaks off, and nobody says goodbye."""
        ours, theirs = await self._station.pair()
        now = self._loop.time()
        meddler = Meddler(ours, fate)
        if self.heard:
            self.sender.resume(now, PathOptions(mtu=ours.mtu, reliable=False, rate=RATE))
        receiver = ReceiverConnection(
            session=b"r%d" % len(self.heard), mtu=theirs.mtu, now=now, options=ReceiverOptions(sessions=self._sessions)
        )
        running = [
            asyncio.create_task(self._run(Driver(self.sender, meddler, self._hear, stall_seconds=9.0))),
            asyncio.create_task(self._run(Driver(receiver, theirs, self._tell, stall_seconds=9.0))),
        ]
        try:
            yield meddler
        finally:
            await asyncio.gather(ours.close(), theirs.close())
            async with asyncio.timeout(PATIENCE):
                await asyncio.gather(*running)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that one of them is told of."""
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def _run(self, driver: Driver[Any]) -> None:
        with contextlib.suppress(LayercastError):
            await driver.run()

    def _tell(self, event: Event) -> None:
        self.told.append(event)
        self._news.set()

    def _hear(self, event: Event) -> None:
        self.heard.append(event)
        self._news.set()

    def check(self) -> None:
        """Every section was told once, as it is."""
        assert [type(event) for event in self.told].count(OfferReceived) == 1
        assert [type(event) for event in self.told].count(PictureDone) == 1
        sections = [event for event in self.told if isinstance(event, SectionReceived)]
        payloads = {event.index: event.payload for event in sections}
        assert len(sections) == len(payloads)
        assert payloads == {index: section.payload for index, section in enumerate(SECTIONS)}


def has(events: list[Event], kind: type) -> bool:
    """Whether one of the events is of a kind."""
    return any(isinstance(event, kind) for event in events)


@CARRIERS
@pytest.mark.parametrize("fault", ["every third lost", "first offer lost", "everything twice", "shuffled"])
async def test_a_picture_survives(kind: Kind, fault: str, tmp_path: Path) -> None:
    fates: dict[str, Fate] = {
        "every third lost": every_third_lost,
        "first offer lost": first_offer_lost,
        "everything twice": everything_twice,
        "shuffled": shuffled(),
    }
    async with kind.open(tmp_path) as station:
        talk = Talk(station)
        async with talk.way(fates[fault]):
            await talk.until(lambda: has(talk.heard, Welcomed))
            talk.sender.offer(b"head", SECTIONS)
            await talk.until(lambda: has(talk.heard, PictureAcknowledged))
    talk.check()


@CARRIERS
async def test_a_way_that_breaks_off_costs_only_what_was_on_it(kind: Kind, tmp_path: Path) -> None:
    """The next one begins with what is missing: no OFFER, and hardly a fragment that arrived before."""
    async with kind.open(tmp_path) as station:
        talk = Talk(station)
        async with talk.way(breaks_after(9)) as first:
            await talk.until(lambda: has(talk.heard, Welcomed))
            talk.sender.offer(b"head", SECTIONS)
            await talk.until(lambda: sum(isinstance(event, SectionReceived) for event in talk.told) == 2)
            async with asyncio.timeout(PATIENCE):
                while len(first.said) < 12:  # noqa: ASYNC110 - nobody tells of what was sent
                    await asyncio.sleep(0.01)
        assert not has(talk.told, PictureDone)
        async with talk.way() as second:
            await talk.until(lambda: has(talk.heard, PictureAcknowledged))
    talk.check()
    before, after = ([decode_packet(packet) for packet in way.said] for way in (first, second))
    assert not any(isinstance(packet, Offer) for packet in after)
    pieces = {(packet.section, packet.fragment) for packet in before if isinstance(packet, Data)}
    again = [packet for packet in after if isinstance(packet, Data) and (packet.section, packet.fragment) in pieces]
    assert len(pieces) > 2
    assert len(again) <= max(3, talk.sender.statistics.window // talk.sender.statistics.packet_size + 2)
