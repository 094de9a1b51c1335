"""The driver's endings, in virtual time."""

import asyncio

import pytest

from evaluation.virtual_time import run_virtual
from layercast_common.errors import DisconnectedError, RemoteProtocolError
from protocol.connection.events import Closed, Event
from protocol.driver import Driver
from protocol.sending.connection import SenderConnection
from protocol.transports.memory import MemoryTransport, memory_pair
from protocol.wire.codes import Code
from protocol.wire.encoding import decode_packet, encode_packet
from protocol.wire.packets import Err, Hello


class StuckTransport(MemoryTransport):
    """A peer that reads nothing: what is sent waits for ever."""

    async def send(self, packet: bytes) -> None:
        await asyncio.Event().wait()


def start(transport: MemoryTransport, events: list[Event]) -> "tuple[SenderConnection, asyncio.Task[None]]":
    """A sender's end, running."""
    connection = SenderConnection(now=asyncio.get_running_loop().time())
    driver = Driver(connection, transport, events.append, stall_seconds=60.0)
    return connection, asyncio.create_task(driver.run())


def test_a_peer_that_does_not_read_is_left() -> None:
    async def run() -> float:
        ours, _ = memory_pair()
        ours.__class__ = StuckTransport
        connection, running = start(ours, [])
        with pytest.raises(RemoteProtocolError) as caught:
            await running
        assert caught.value.code == connection.close_code == Code.SLOW
        return asyncio.get_running_loop().time()

    assert run_virtual(run()) == pytest.approx(60.0)


def test_a_silent_peer_is_told_and_left() -> None:
    events: list[Event] = []

    async def run() -> list[object]:
        ours, theirs = memory_pair()
        _, running = start(ours, events)
        with pytest.raises(RemoteProtocolError) as caught:
            await running
        assert caught.value.code == Code.SILENT
        return [decode_packet(await theirs.recv()) for _ in range(2)]

    greeting, reason = run_virtual(run())
    assert isinstance(greeting, Hello)
    assert reason == Err(code=Code.SILENT, image=0)
    assert events == [Closed(code=Code.SILENT)]


def test_a_peer_that_breaks_the_rules_is_told() -> None:
    async def run() -> object:
        ours, theirs = memory_pair()
        _, running = start(ours, [])
        await theirs.recv()
        await theirs.send(encode_packet(Hello(versions=1, stream=b"")))
        with pytest.raises(RemoteProtocolError, match="the peer sent HELLO to a sender"):
            await running
        return decode_packet(await theirs.recv())

    assert run_virtual(run()) == Err(code=Code.PROTOCOL, image=0)


@pytest.mark.parametrize("code", [Code.BUSY, Code.GOING_AWAY])
def test_the_peers_last_words_count_and_not_its_hanging_up(code: Code) -> None:
    async def run() -> Code | None:
        ours, theirs = memory_pair()
        connection, running = start(ours, [])
        await theirs.send(encode_packet(Err(code=code, image=0)))
        await theirs.close()
        await running
        return connection.close_code

    assert run_virtual(run()) is code


def test_hanging_up_without_a_word_is_an_error() -> None:
    async def run() -> None:
        ours, theirs = memory_pair()
        _, running = start(ours, [])
        await theirs.close()
        with pytest.raises(DisconnectedError):
            await running

    run_virtual(run())


def test_a_failing_callback_ends_the_connection_with_its_own_error() -> None:
    def fail(event: Event) -> None:
        raise ValueError(str(event))

    async def run() -> None:
        ours, theirs = memory_pair()
        connection = SenderConnection(now=0.0)
        running = asyncio.create_task(Driver(connection, ours, fail, stall_seconds=1.0).run())
        await theirs.send(encode_packet(Err(code=Code.BUSY, image=0)))
        with pytest.raises(ValueError, match="BUSY"):
            await running

    run_virtual(run())
