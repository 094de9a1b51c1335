"""A peer that does as it is told, against one of our connections, over every kind of transport."""

import asyncio
import contextlib
import zlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from layercast_common.errors import DisconnectedError, LayercastError
from protocol import Packet, ReceiverConnection, SenderConnection, decode_packet, encode_packet
from protocol.connection.base import Connection
from protocol.connection.events import Event
from protocol.driver import Driver
from protocol.receiving.options import ReceiverOptions
from protocol.recovery.path import PathOptions
from protocol.transports.base import Transport
from protocol.wire.fields import SectionEntry
from protocol.wire.limits import Limits
from protocol.wire.packets import Data, Hello, Offer
from tests.support.tokens import admit_token
from tests.support.transport_fixtures import KINDS, Kind, missing

#: Real time that something may take which should take next to none, in seconds.
PATIENCE = 120.0

#: Transports that carry whatever is put in; one of each kind.
CARRIERS = pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, id=kind.name, marks=[pytest.mark.skip(reason=reason)] if (reason := missing(kind)) else [])
        for kind in KINDS
        if kind.name in ("memory", "websocket", "webrtc", "mqtt")
    ],
)


def hello(token: str = "", versions: int = 1, role: int = 0) -> Hello:
    """A greeting."""
    return Hello(versions=versions, stream=b"attacker", token=token, role=role)


def offer(pn: int = 1, image: int = 1, length: int = 64, fragment_size: int = 16) -> Offer:
    """An OFFER of one section of zeros."""
    check = zlib.crc32(bytes(length)) & 0xFFFF
    row = SectionEntry.of(layer=1, coder=1, urgency=2, incremental=False, length=length, check=check)
    return Offer(pn=pn, image=image, head=b"head", fragment_size=fragment_size, sections=(row,))


def data(pn: int, fragment: int, image: int = 1, payload: bytes = bytes(16), section: int = 0) -> Data:
    """A fragment of it."""
    return Data(pn=pn, image=image, section=section, fragment=fragment, payload=payload)


def sealed(body: bytes) -> bytes:
    """Any bytes with a right check."""
    return body + zlib.crc32(body).to_bytes(4)


@dataclass(slots=True)
class Siege:
    """An attacker's transport, and the connection at its other end."""

    transport: Transport
    connection: Connection[Any]
    events: list[Event]
    running: "asyncio.Task[None]"

    async def say(self, *packets: Packet | bytes) -> None:
        """Send packets, or whatever bytes."""
        with contextlib.suppress(DisconnectedError):
            for packet in packets:
                await self.transport.send(packet if isinstance(packet, bytes) else encode_packet(packet))

    async def hear(self, kind: type[Packet]) -> Packet:
        """The next packet of a kind that comes back."""
        async with asyncio.timeout(PATIENCE):
            while True:
                packet = decode_packet(await self.transport.recv())
                if isinstance(packet, kind):
                    return packet

    async def last_words(self) -> Packet | None:
        """The last packet before the connection is closed."""
        packet: Packet | None = None
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait([self.running])
            with contextlib.suppress(DisconnectedError):
                while True:
                    packet = decode_packet(await self.transport.recv())
        return packet


@contextlib.asynccontextmanager
async def besieged_receiver(
    kind: Kind, folder: Path, *, limits: Limits | None = None, token: str | None = None
) -> AsyncIterator[Siege]:
    """A receiver whose peer is the attacker."""
    async with kind.open(folder) as station:
        attacker, ours = await station.pair()
        connection = ReceiverConnection(
            session=b"besieged",
            mtu=ours.mtu,
            now=asyncio.get_running_loop().time(),
            options=ReceiverOptions(admit=None if token is None else admit_token(token), limits=limits or Limits()),
        )
        async with _siege(attacker, ours, connection) as siege:
            yield siege


@contextlib.asynccontextmanager
async def besieged_sender(kind: Kind, folder: Path, *, limits: Limits | None = None) -> AsyncIterator[Siege]:
    """A sender whose peer is the attacker."""
    async with kind.open(folder) as station:
        ours, attacker = await station.pair()
        connection = SenderConnection(
            now=asyncio.get_running_loop().time(), limits=limits, path=PathOptions(mtu=ours.mtu, reliable=ours.reliable)
        )
        async with _siege(attacker, ours, connection) as siege:
            await siege.hear(Hello)
            yield siege


@contextlib.asynccontextmanager
async def _siege(attacker: Transport, ours: Transport, connection: Connection[Any]) -> AsyncIterator[Siege]:
    events: list[Event] = []

    async def run() -> None:
        with contextlib.suppress(LayercastError):
            await Driver(connection, ours, events.append, stall_seconds=5.0).run()

    running = asyncio.create_task(run(), name="besieged")
    try:
        yield Siege(attacker, connection, events, running)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await attacker.close()


def kinds_of(packets: Iterable[Packet | None]) -> list[str]:
    """The names of packets' kinds."""
    return [type(packet).__name__ for packet in packets]
