"""What every transport promises, asked of each; and a whole conversation over each."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest

from layercast_errors import DisconnectedError
from protocol.driver import Driver
from protocol.events import Event, ImageAcknowledged, ImageDone, OfferReceived, SectionReceived, Welcomed
from protocol.limits import MAX_PACKET, Limits
from protocol.links import LinkProfile
from protocol.receiving import ReceiverConnection
from protocol.sending import SenderConnection
from protocol.transports.addresses import open_listener, open_transport
from protocol.transports.base import Transport
from protocol.transports.memory import memory_pair
from protocol.transports.shaped import ShapedTransport
from tests.protocol.pair import section

Pipe = AbstractAsyncContextManager[tuple[Transport, Transport]]


@contextlib.asynccontextmanager
async def memory() -> AsyncIterator[tuple[Transport, Transport]]:
    """Two ends in memory."""
    ours, theirs = memory_pair()
    yield ours, theirs
    await ours.close()
    await theirs.close()


@contextlib.asynccontextmanager
async def websocket() -> AsyncIterator[tuple[Transport, Transport]]:
    """A client's and a server's end on this machine."""
    accepted: asyncio.Queue[Transport] = asyncio.Queue()
    leave = asyncio.Event()

    async def handle(transport: Transport) -> None:
        accepted.put_nowait(transport)
        await leave.wait()

    listener = await open_listener("ws://127.0.0.1:0", handle)
    ours = await open_transport(listener.url)
    theirs = await accepted.get()
    yield ours, theirs
    leave.set()
    await ours.close()
    await listener.close()


@contextlib.asynccontextmanager
async def shaped_websocket() -> AsyncIterator[tuple[Transport, Transport]]:
    """The same, through a link that takes a few milliseconds."""
    async with websocket() as (ours, theirs):
        yield ShapedTransport(ours, LinkProfile(name="x", rate=8e6, delay=0.003)), theirs
        # The wrapped end closes with its wrapper; here the pair does it.


@contextlib.asynccontextmanager
async def lossy_memory() -> AsyncIterator[tuple[Transport, Transport]]:
    """Two ends that lose, repeat and shuffle, a little."""
    ours, theirs = memory_pair(LinkProfile(name="x", rate=0, loss=0.1), seed=3, duplicate=0.1, jitter=0.002)
    yield ours, theirs
    await ours.close()
    await theirs.close()


RELIABLE = {"memory": memory, "websocket": websocket, "shaped websocket": shaped_websocket}
ALL = RELIABLE | {"lossy memory": lossy_memory}

reliable = pytest.mark.parametrize("pipe", RELIABLE.values(), ids=RELIABLE.keys())
every = pytest.mark.parametrize("pipe", ALL.values(), ids=ALL.keys())


@reliable
async def test_packets_arrive_whole_in_order_and_both_ways(pipe: Callable[[], Pipe]) -> None:
    sizes = [1, MAX_PACKET, 2, 700, 1]
    async with pipe() as (ours, theirs):
        for one, other in ((ours, theirs), (theirs, ours)):
            for place, size in enumerate(sizes):
                await one.send(bytes([place]) * size)
            assert [await other.recv() for _ in sizes] == [bytes([place]) * size for place, size in enumerate(sizes)]
        await ours.close()


@every
async def test_attributes(pipe: Callable[[], Pipe]) -> None:
    async with pipe() as ends:
        for end in ends:
            assert 0 < end.mtu <= MAX_PACKET
            assert isinstance(end.reliable, bool)
            assert isinstance(end.ordered, bool)
            assert end.rate_hint >= 0
            assert end.peer
        await ends[0].close()


@reliable
async def test_closing_is_noticed_after_the_last_packet(pipe: Callable[[], Pipe]) -> None:
    async with pipe() as (ours, theirs):
        await ours.send(b"last words")
        await ours.close(7)
        assert await theirs.recv() == b"last words"
        for _ in range(2):
            with pytest.raises(DisconnectedError):
                await theirs.recv()
        with pytest.raises(DisconnectedError):
            await ours.send(b"too late")
        await ours.close()


@reliable
async def test_the_other_ends_closing_is_noticed(pipe: Callable[[], Pipe]) -> None:
    async with pipe() as (ours, theirs):
        await theirs.send(b"last words")
        await theirs.close()
        assert await ours.recv() == b"last words"
        with pytest.raises(DisconnectedError):
            await ours.recv()
        await ours.close()


@every
async def test_a_picture(pipe: Callable[[], Pipe]) -> None:
    told: list[Event] = []
    delivered = asyncio.Event()
    welcomed = asyncio.Event()

    async def tell(event: Event) -> None:
        await asyncio.sleep(0)
        told.append(event)

    def hear(event: Event) -> None:
        if isinstance(event, Welcomed):
            welcomed.set()
        if isinstance(event, ImageAcknowledged):
            delivered.set()

    async with pipe() as (ours, theirs):
        now = asyncio.get_running_loop().time()
        sender = SenderConnection(now=now, mtu=ours.mtu, reliable=ours.reliable and theirs.reliable)
        receiver = ReceiverConnection(session="s", token=None, limits=Limits(), now=now)
        drivers = [
            Driver(sender, ours, hear, stall_seconds=5.0),
            Driver(receiver, theirs, tell, stall_seconds=5.0),
        ]
        running = [asyncio.create_task(driver.run()) for driver in drivers]
        await welcomed.wait()
        payloads = [b"a red cat", bytes(range(256)) * 40, bytes(90)]
        sender.offer(b"head", [section(payload, urgency=place) for place, payload in enumerate(payloads)])
        drivers[0].wake()
        await delivered.wait()
        receiver.close()
        drivers[1].wake()
        sender.close()
        drivers[0].wake()
        await asyncio.gather(*running)
    assert isinstance(told[0], OfferReceived)
    assert isinstance(told[-1], ImageDone)
    arrived = {event.index: event.payload for event in told if isinstance(event, SectionReceived)}
    assert [arrived[place] for place in range(3)] == payloads
