"""What every transport promises, asked of each in the same words; and a whole conversation over each."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from layercast_common.errors import ConnectError, DisconnectedError, LocalProtocolError
from protocol.connection.events import Event, OfferReceived, PictureAcknowledged, PictureDone, SectionReceived, Welcomed
from protocol.driver import Driver
from protocol.receiving.connection import ReceiverConnection
from protocol.receiving.options import ReceiverOptions
from protocol.recovery.path import PathOptions
from protocol.sending.connection import SenderConnection
from protocol.transports.base import Transport
from protocol.wire.limits import MAX_PACKET, Limits
from tests.support.connection_pair import section
from tests.support.transport_fixtures import PATIENCE, AddressStation, Kind, Station, kinds, packet

_marks = itertools.count(1_000_000)

#: Bytes that no link may swallow of a peer that does not read: the kernel's buffers and ours, in round figures.
MOST_SWALLOWED = 16_000_000


@pytest.fixture
async def station(kind: Kind, tmp_path: Path) -> AsyncIterator[Station]:
    """Who waits for peers."""
    async with kind.open(tmp_path) as made:
        yield made


async def remainder(transport: Transport) -> list[bytes]:
    """What comes until the transport ends."""
    packets = []
    async with asyncio.timeout(PATIENCE):
        with contextlib.suppress(DisconnectedError):
            while True:
                packets.append(await transport.recv())
    return packets


async def collect(ours: Transport, theirs: Transport) -> list[bytes]:
    """What came and comes until a mark does, which is sent until it has come; and what the mark has overtaken."""
    mark = packet(next(_marks), 60)
    reading = asyncio.create_task(until(theirs, mark))
    while not reading.done():
        await ours.send(mark)
        await asyncio.wait([reading], timeout=0.05)
    came = await reading
    with contextlib.suppress(TimeoutError):
        while not theirs.ordered:
            came.append(await asyncio.wait_for(theirs.recv(), 0.03))
    return [one for one in came if one != mark]


async def until(transport: Transport, wanted: bytes) -> list[bytes]:
    """What comes up to a packet."""
    packets: list[bytes] = []
    async with asyncio.timeout(PATIENCE):
        while not packets or packets[-1] != wanted:
            packets.append(await transport.recv())
    return packets


@kinds()
async def test_it_tells_what_it_is(kind: Kind, station: Station) -> None:
    for end in await station.pair():
        assert 64 <= end.mtu <= MAX_PACKET
        assert (end.reliable, end.ordered, end.one_way) == (kind.reliable, kind.ordered, False)
        assert end.rate_hint >= 0
        assert "memory" in end.peer or "127.0.0.1" in end.peer


@kinds()
async def test_packets_of_every_size_arrive_whole_both_ways(station: Station) -> None:
    for one, other in (ends := await station.pair(), ends[::-1]):
        for size in (1, 2, 19, 20, 64, 125, 126, 127, one.mtu // 2, one.mtu - 1, one.mtu):
            wanted = packet(size, size)
            async with asyncio.timeout(PATIENCE):
                came = b""
                while came != wanted:
                    await one.send(wanted)
                    with contextlib.suppress(TimeoutError):
                        came = await asyncio.wait_for(other.recv(), 0.3)


@kinds()
async def test_a_packet_that_is_too_large_is_refused_and_hurts_nothing(kind: Kind, station: Station) -> None:
    ours, theirs = await station.pair()
    with pytest.raises(LocalProtocolError, match=f"a packet of {ours.mtu + 1} bytes.*takes {ours.mtu}"):
        await ours.send(bytes(ours.mtu + 1))
    for number in range(1, 31):
        await ours.send(packet(number))
    assert await collect(ours, theirs)


@kinds(reliable=True, ordered=True)
async def test_all_packets_arrive_once_and_in_order(station: Station) -> None:
    for one, other in (ends := await station.pair(), ends[::-1]):
        sent = [packet(number, 20 + 37 * number % 1300) for number in range(300)]

        async def send(sent: list[bytes], one: Transport = one) -> None:
            for each in sent:
                await one.send(each)

        sending = asyncio.create_task(send(sent))
        assert await until(other, sent[-1]) == sent
        await sending


@kinds(reliable=False)
async def test_what_arrives_was_sent_and_most_of_it_does(station: Station) -> None:
    ours, theirs = await station.pair()
    sent = [packet(number, 100) for number in range(1, 301)]
    came: list[bytes] = []
    # In portions that a reader who comes later finds room for.
    for portion in (sent[:100], sent[100:200], sent[200:]):
        for each in portion:
            await ours.send(each)
        came += await collect(ours, theirs)
    assert {one for one in came if len(one) == 100} <= set(sent)
    assert len(set(came) & set(sent)) > 0.8 * len(sent)


@kinds()
async def test_both_sides_may_talk_at_once(station: Station) -> None:
    ours, theirs = await station.pair()

    async def talk(end: Transport, first: int) -> None:
        for number in range(first, first + 60):
            await end.send(packet(number, 300))

    await asyncio.gather(talk(ours, 1000), talk(theirs, 2000))
    heard = await asyncio.gather(collect(theirs, ours), collect(ours, theirs))
    for packets, first in zip(heard, (2000, 1000), strict=True):
        came = {one for one in packets if len(one) == 300}
        assert came <= {packet(number, 300) for number in range(first, first + 60)}
        assert len(came) > 40


@kinds()
async def test_closing_is_noticed_after_the_last_packet(kind: Kind, station: Station) -> None:
    for closing in (0, 1):
        ends = await station.pair()
        ours, theirs = ends[closing], ends[1 - closing]
        await collect(ours, theirs)
        await ours.send(packet(7))
        await ours.close(7)
        async with asyncio.timeout(PATIENCE):
            came = [one for one in await remainder(theirs) if len(one) == 40]
            assert came == [packet(7)] if kind.reliable else set(came) <= {packet(7)}
            for _ in range(2):
                with pytest.raises(DisconnectedError):
                    await theirs.recv()
        with pytest.raises(DisconnectedError):
            await ours.send(packet(8))
        await ours.close()
        await theirs.close()
        with pytest.raises(DisconnectedError):
            await theirs.send(packet(9))


@kinds()
async def test_who_waits_for_a_packet_hears_of_our_own_closing(station: Station) -> None:
    ours, _ = await station.pair()
    waiting = asyncio.create_task(ours.recv())
    await asyncio.sleep(0.01)
    await ours.close()
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(DisconnectedError):
            await waiting


@kinds()
async def test_giving_up_waiting_loses_nothing(kind: Kind, station: Station) -> None:
    ours, theirs = await station.pair()
    came: list[bytes] = []

    async def read() -> None:
        while True:
            came.append(await theirs.recv())

    for number in range(1, 31):
        reading = asyncio.create_task(read())
        await asyncio.sleep(0)
        await ours.send(packet(number))
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    came += await collect(ours, theirs)
    wanted = {packet(number) for number in range(1, 31)}
    assert wanted <= set(came) if kind.reliable else len(wanted & set(came)) > 20


@kinds(reliable=True)
async def test_a_peer_that_does_not_read_stops_us_and_loses_nothing(station: Station) -> None:
    ours, theirs = await station.pair()
    sent = 0

    async def pour() -> None:
        nonlocal sent
        while sent < MOST_SWALLOWED:
            await ours.send(packet(sent, 1000))
            sent += 1000

    pouring = asyncio.create_task(pour())
    before = -1
    async with asyncio.timeout(PATIENCE):
        while sent != before:
            before = sent
            await asyncio.sleep(0.2)
    assert not pouring.done()
    pouring.cancel()
    await asyncio.gather(pouring, return_exceptions=True)
    # The cancelled packet may have left or not; what left is whole, and the link goes on.
    sending = asyncio.create_task(ours.send(packet(sent + 1, 500)))
    came = await until(theirs, packet(sent + 1, 500))
    await sending
    wanted = [packet(number, 1000) for number in range(0, sent, 1000)]
    assert came[:-1] in (wanted, [*wanted, packet(sent, 1000)])


@kinds(reliable=False)
async def test_a_peer_that_does_not_read_costs_bounded_memory_and_may_come_back(station: Station) -> None:
    ours, theirs = await station.pair()
    sent = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1.0):
            for number in range(1, 1501):
                await ours.send(packet(number, 500))
                sent += 1
    assert len(await collect(ours, theirs)) <= 600
    for number in range(5001, 5031):
        await ours.send(packet(number))
    assert set(await collect(ours, theirs)) & {packet(number) for number in range(5001, 5031)}


@kinds()
async def test_many_peers_at_once_do_not_mix(station: Station) -> None:
    pairs = [await station.pair() for _ in range(6)]

    async def converse(number: int, ours: Transport, theirs: Transport) -> bool:
        for other in range(20):
            await ours.send(packet(1000 * number + other))
        came = {one for one in await collect(ours, theirs) if len(one) == 40}
        return came <= {packet(1000 * number + other) for other in range(20)} and len(came) > 10

    talks = (converse(number, *pair) for number, pair in enumerate(pairs, 1))
    assert all(await asyncio.gather(*talks))
    await pairs[0][0].close()
    for ours, theirs in pairs[1:]:
        await ours.send(packet(9))
        await ours.send(packet(9))
        del theirs


@kinds()
async def test_a_picture(station: Station) -> None:
    told: list[Event] = []
    delivered = asyncio.Event()
    welcomed = asyncio.Event()

    async def tell(event: Event) -> None:
        await asyncio.sleep(0)
        told.append(event)

    def hear(event: Event) -> None:
        if isinstance(event, Welcomed):
            welcomed.set()
        if isinstance(event, PictureAcknowledged):
            delivered.set()

    ours = await station.dial()
    now = asyncio.get_running_loop().time()
    sender = SenderConnection(now=now, path=PathOptions(mtu=ours.mtu, reliable=ours.reliable))
    sending = Driver(sender, ours, hear, stall_seconds=5.0)
    running = [asyncio.create_task(sending.run())]
    async with asyncio.timeout(PATIENCE):
        theirs = await station.accepted.get()
        receiver = ReceiverConnection(session=b"s", now=now, mtu=theirs.mtu, options=ReceiverOptions(limits=Limits()))
        receiving = Driver(receiver, theirs, tell, stall_seconds=5.0)
        running.append(asyncio.create_task(receiving.run()))
        await welcomed.wait()
        payloads = [b"a red cat", bytes(range(256)) * 40, bytes(90)]
        sender.offer(b"head", [section(payload, urgency=place) for place, payload in enumerate(payloads)])
        sending.wake()
        await delivered.wait()
        sender.close()
        sending.wake()
        ended = await asyncio.gather(*running, return_exceptions=True)
    # Where packets are lost, the goodbye may be, too.
    assert all(end is None or (not ours.reliable and isinstance(end, DisconnectedError)) for end in ended)
    assert isinstance(told[0], OfferReceived)
    assert isinstance(told[-1], PictureDone)
    arrived = {event.index: event.payload for event in told if isinstance(event, SectionReceived)}
    assert [arrived[place] for place in range(3)] == payloads


@kinds()
async def test_nobody_is_there_after_closing(kind: Kind, tmp_path: Path) -> None:
    async with kind.open(tmp_path) as station:
        ours, theirs = await station.pair()
    if not isinstance(station, AddressStation):
        return
    async with asyncio.timeout(PATIENCE):
        for end in (ours, theirs):
            await remainder(end)
            with pytest.raises(DisconnectedError):
                await end.recv()
    await ours.close()
    with pytest.raises(ConnectError):
        await station.dial()
