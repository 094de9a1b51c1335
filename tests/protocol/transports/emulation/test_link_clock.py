"""The link in memory, and virtual time itself."""

import asyncio

import pytest

from evaluation.virtual_time import DeadlockError, run_virtual
from layercast_common.errors import DisconnectedError
from protocol.link_profiles import LINKS, LinkProfile
from protocol.transports.emulation.link_clock import LINK_BUFFER
from protocol.transports.emulation.transport import ShapedTransport
from protocol.transports.memory import memory_pair

SLOW = LinkProfile(name="slow", rate=800, delay=2.0, mtu=100)


def test_virtual_time_leaps() -> None:
    async def sleep() -> float:
        async with asyncio.TaskGroup() as group:
            for seconds in (3600.0, 7200.0):
                group.create_task(asyncio.sleep(seconds))
        return asyncio.get_running_loop().time()

    assert run_virtual(sleep()) == pytest.approx(7200.0)


def test_virtual_time_knows_when_nothing_will_happen() -> None:
    async def wait() -> None:
        await asyncio.Event().wait()

    with pytest.raises(DeadlockError):
        run_virtual(wait())


@pytest.mark.parametrize("shaped", [False, True])
def test_packets_take_their_time(shaped: bool) -> None:
    async def talk() -> list[tuple[float, bytes]]:
        loop = asyncio.get_running_loop()
        ours, theirs = memory_pair(LINKS["fast"] if shaped else SLOW)
        end = ShapedTransport(ours, SLOW) if shaped else ours
        assert (end.mtu, end.rate_hint, end.reliable, end.ordered) == (100, 800, True, True)
        for size in (100, 50):
            await end.send(bytes(size))
        arrived = [(round(loop.time(), 6), await theirs.recv()) for _ in range(2)]
        arrived = [(round(loop.time(), 6), packet) for _, packet in arrived]
        await theirs.send(b"back")
        await end.recv()
        arrived.append((round(loop.time(), 6), b"back"))
        await end.close()
        return arrived

    assert run_virtual(talk()) == [(3.5, bytes(100)), (3.5, bytes(50)), (5.54, b"back")]


@pytest.mark.parametrize("shaped", [False, True])
def test_closing_lets_what_travels_arrive(shaped: bool) -> None:
    async def talk() -> float:
        ours, theirs = memory_pair(LINKS["fast"] if shaped else SLOW)
        end = ShapedTransport(ours, SLOW) if shaped else ours
        await end.send(b"last words")
        await end.close()
        assert await theirs.recv() == b"last words"
        with pytest.raises(DisconnectedError):
            await theirs.recv()
        with pytest.raises(DisconnectedError):
            await end.send(b"more")
        await end.close()
        return asyncio.get_running_loop().time()

    assert run_virtual(talk()) == pytest.approx(2.1)


def test_the_far_end_going_away_is_noticed_after_the_delay() -> None:
    async def talk() -> float:
        ours, theirs = memory_pair()
        end = ShapedTransport(ours, SLOW)
        await theirs.send(b"goodbye")
        await theirs.close()
        assert await end.recv() == b"goodbye"
        with pytest.raises(DisconnectedError):
            await end.recv()
        with pytest.raises(DisconnectedError):
            await end.send(b"anyone?")
        await end.close()
        return asyncio.get_running_loop().time()

    assert run_virtual(talk()) < 10.0


@pytest.mark.parametrize("shaped", [False, True])
def test_a_full_link_makes_its_sender_wait_for_the_reader(shaped: bool) -> None:
    async def fill() -> tuple[int, float, int]:
        loop = asyncio.get_running_loop()
        link = LinkProfile(name="x", rate=8e6)
        ours, theirs = memory_pair(LINKS["fast"] if shaped else link)
        end = ShapedTransport(ours, link) if shaped else ours
        sent = 0

        async def pour() -> None:
            nonlocal sent
            while True:
                await end.send(bytes(1000))
                sent += 1

        pouring = asyncio.create_task(pour())
        await asyncio.sleep(10.0)
        stuck = sent
        for _ in range(50):
            await theirs.recv()
        await asyncio.sleep(1.0)
        pouring.cancel()
        return stuck, loop.time(), sent - stuck

    stuck, _, more = run_virtual(fill())
    assert stuck <= (2 if shaped else 1) * LINK_BUFFER // 1000 + 1
    assert more == 50


def test_a_lossy_link_says_so() -> None:
    async def look() -> tuple[bool, bool, bool]:
        ours, _ = memory_pair(LinkProfile(name="x", rate=0, loss=0.1))
        late, _ = memory_pair(jitter=0.1)
        return ours.reliable, ours.ordered, late.ordered

    assert run_virtual(look()) == (False, True, False)
