"""The simulated TCP: nothing is lost or reordered on any link, and segments are those that Linux sends."""

import asyncio
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.simulation.links.clock import DirectionClock, Passage
from evaluation.simulation.links.loss import GilbertElliott, RandomLoss
from evaluation.simulation.links.model import LinkDirection
from evaluation.simulation.transmission.tcp.connection import SegmentOnLink, TcpEnd, TcpOptions
from evaluation.simulation.transmission.tcp.round_trips import LEAST_MARGIN, RoundTrips
from evaluation.virtual_time import VirtualTimeLoop, run_virtual

#: What passed: when a segment was handed to the interface, and what it was.
Log = list[tuple[float, SegmentOnLink]]

_SLOW = LinkDirection(rate=2400, delay=0.9, ordered=True)


def connect(
    there: LinkDirection, back: LinkDirection, *, round_trip: float, most: int = 1448, seed: int = 0
) -> tuple[TcpEnd, TcpEnd, list[bytes], list[bytes], Log, Log]:
    """Return both ends, what each receives, and what each puts on the link."""
    received: tuple[list[bytes], list[bytes]] = [], []
    logs: tuple[Log, Log] = [], []
    loop = asyncio.get_running_loop()

    def observer(log: Log):  # type: ignore[no-untyped-def]
        def observe(segment: SegmentOnLink, passage: Passage) -> None:
            log.append((loop.time(), segment))

        return observe

    options = TcpOptions(most=most, round_trip=round_trip, framing=lambda _size: 6)
    ends = [
        TcpEnd(DirectionClock(way, rng=random.Random(seed + place)), options, observer(logs[place]), to.append)
        for place, (way, to) in enumerate(((there, received[0]), (back, received[1])))
    ]
    ends[0].other, ends[1].other = ends[1], ends[0]
    return ends[0], ends[1], *received, *logs


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=30),
    loss=st.sampled_from([0.0, 0.1, 0.4]),
    link=st.sampled_from(
        [
            LinkDirection(rate=2400, delay=0.9),
            LinkDirection(rate=9600, delay=0.05, jitter=0.04, reorder=0.2, duplicate=0.2),
            LinkDirection(rate=64_000, delay=0.01, corrupt=0.1, limit=3),
            LinkDirection(rate=9600, delay=0.1, loss=GilbertElliott(p=0.1, r=0.4)),
            LinkDirection(rate=0, delay=0.2),
        ]
    ),
    seed=st.integers(0, 9),
)
def test_every_message_arrives_once_and_in_order(sizes: list[int], loss: float, link: LinkDirection, seed: int) -> None:
    link = replace(link, loss=RandomLoss(share=loss)) if loss else link
    messages = [number.to_bytes(4) + bytes(size) for number, size in enumerate(sizes)]

    async def main() -> tuple[list[bytes], list[bytes], int]:
        near, far, here, there, _, _ = connect(link, link, round_trip=2 * link.delay + 0.1, seed=seed)
        for message in messages:
            near.send(message)
            far.send(message[:40])
            await asyncio.sleep(0.05)
        await asyncio.sleep(20_000)
        left = near.unacknowledged + far.unacknowledged
        near.close()
        far.close()
        return here, there, left

    here, there, left = run_virtual(main())
    assert there == messages
    assert here == [message[:40] for message in messages]
    assert left == 0


def test_an_idle_connection_has_no_timer() -> None:
    async def main() -> int:
        near, far, _, there, _, _ = connect(_SLOW, _SLOW, round_trip=2.2)
        near.send(b"one")
        await asyncio.sleep(60)
        assert there == [b"one"]
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        near.close()
        far.close()
        return loop.timers

    assert run_virtual(main()) == 0


def test_small_writes_wait_for_the_interface_and_leave_together_as_linux_sends_them() -> None:
    async def main() -> Log:
        near, far, _, _, log, _ = connect(_SLOW, _SLOW, round_trip=2.2)
        for _ in range(6):
            near.send(bytes(50))
        await asyncio.sleep(1.5)
        near.close()
        far.close()
        return log

    # As Linux 6.18 sends them: what waits leaves once it is longer than what the interface holds.
    assert [segment.data for _, segment in run_virtual(main())] == [56, 2 * 56, 3 * 56]


@pytest.mark.parametrize(("most", "sizes"), [(244, [244, 244, 18]), (1448, [506])])
def test_a_message_is_cut_into_the_largest_segments(most: int, sizes: list[int]) -> None:
    async def main() -> tuple[Log, list[bytes]]:
        near, far, _, there, log, _ = connect(_SLOW, _SLOW, round_trip=2.2, most=most)
        near.send(bytes(500))
        await asyncio.sleep(9)
        near.close()
        far.close()
        return log, there

    log, there = run_virtual(main())
    assert [segment.data for _, segment in log] == sizes
    assert there == [bytes(500)]


def test_acknowledgements_of_a_dialogue_travel_with_its_answers() -> None:
    async def main() -> tuple[Log, Log]:
        near, far, _, there, log, back = connect(_SLOW, _SLOW, round_trip=2.2)
        for number in range(1, 4):
            near.send(b"question")
            while len(there) < number:  # noqa: ASYNC110 - virtual time
                await asyncio.sleep(0.01)
            far.send(b"answer")
            await asyncio.sleep(3)
        near.close()
        far.close()
        return log, back

    log, back = run_virtual(main())
    assert [segment.data for _, segment in back] == [12] * 3
    # The answer itself is acknowledged alone: no question follows within 40 ms. In vain the first time.
    assert [segment.data for _, segment in log] == [14, 0] * 3


def test_a_lost_tail_is_repeated_after_a_probe_time() -> None:
    lossy = replace(_SLOW, outages=((2.0, 2.5),), loss=RandomLoss(share=0.5))

    async def main() -> Log:
        near, far, _, there, log, _ = connect(lossy, _SLOW, round_trip=2.2, seed=3)
        near.send(b"text")
        await asyncio.sleep(300)
        assert there == [b"text"]
        near.close()
        far.close()
        return log

    log = run_virtual(main())
    assert [segment.again for _, segment in log] == [False] + [True] * (len(log) - 1)
    assert len(log) > 1
    # Two round trips and 0.2 s for the probe, then the timeout of RFC 6298.
    assert log[1][0] == pytest.approx(2 * 2.2 + LEAST_MARGIN)


def test_the_timeout_narrows_while_round_trips_are_steady_and_widens_when_they_grow() -> None:
    trips = RoundTrips(1.0)
    assert trips.timeout == pytest.approx(3.0)
    for round_ in range(100):
        trips.update(1.0, acknowledged=100 * round_ + 1, sent=100 * round_ + 50)
    assert trips.timeout == pytest.approx(1.0 + LEAST_MARGIN, abs=0.01)
    trips.update(2.0, acknowledged=20_000, sent=20_050)
    assert trips.timeout > 2.0
