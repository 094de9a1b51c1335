"""When a receiver acknowledges, and how much of the link that takes."""

import math
import random
from dataclasses import replace

import pytest

from protocol.connection.events import PictureAcknowledged
from protocol.link_profiles import LINKS
from protocol.recovery.ack_ranges import ACK_LATEST
from protocol.recovery.ack_scheduler import AckScheduler
from protocol.wire.packets import Ack
from tests.support.connection_pair import Pair, section

ROOM = 1400


def acks(scheduler: AckScheduler, sizes: list[int], *, every: float = 0.0) -> list[int]:
    """The packets, by number, after which an ACK left, when packets of these sizes come in order."""
    left = []
    for number, size in enumerate(sizes, 1):
        now = number * every
        scheduler.on_packet_received(number, 1, size, urgent=False, needless=False, now=now)
        if scheduler.take_ack(now, ROOM, lambda _: 0) is not None:
            left.append(number)
    return left


@pytest.mark.parametrize(("size", "left"), [(1400, [6, 12]), (70, [6, 12]), (64, [7, 14]), (10, [ACK_LATEST])])
def test_an_ack_waits_for_packets_and_for_bytes(size: int, left: list[int]) -> None:
    assert acks(AckScheduler(0.0), [size] * 16) == left


def test_an_ack_of_long_packets_waits_for_a_few_seconds() -> None:
    scheduler = AckScheduler(0.0)
    scheduler.rate = 9600.0
    assert acks(scheduler, [1400] * 3, every=1.17) == []
    assert scheduler.next_timer() == pytest.approx(1.17 + 3.0)
    assert scheduler.take_ack(4.18, ROOM, lambda _: 0) is not None
    # Short ones wait for each other all the same: an ACK would be a large part of them.
    scheduler.rate = 490.0
    for number in range(4, 8):
        scheduler.on_packet_received(number, 1, 64, urgent=False, needless=False, now=float(number))
    assert scheduler.next_timer() > 7.0 + 3.0


@pytest.mark.parametrize(("rate", "quiet"), [(0.0, 0.025), (2400.0, 0.525), (490.0, 0.025 + 1200 / 490)])
def test_an_ack_leaves_when_no_more_can_be_expected(rate: float, quiet: float) -> None:
    scheduler = AckScheduler(0.0)
    scheduler.rate = rate
    assert scheduler.next_timer() == math.inf
    assert acks(scheduler, [75, 20], every=0.01) == []
    assert scheduler.next_timer() == pytest.approx(0.02 + quiet)
    told = scheduler.take_ack(scheduler.next_timer(), ROOM, lambda _: 0)
    assert told == Ack(largest=2, missing=0, delay=round(1000 * quiet), done=())
    assert scheduler.next_timer() == math.inf


@pytest.mark.parametrize("what", ["news", "needless", "disorder"])
def test_an_ack_leaves_at_once(what: str) -> None:
    scheduler = AckScheduler(0.0)
    number = 2 if what == "disorder" else 1
    scheduler.on_packet_received(number, 1, 75, urgent=what == "news", needless=what == "needless", now=5.0)
    assert scheduler.next_timer() == 5.0
    # What comes before it left does not put it off.
    scheduler.on_packet_received(number + 1, 1, 75, urgent=False, needless=False, now=5.01)
    assert scheduler.next_timer() == 5.0


@pytest.mark.parametrize("loss", [0.0, 0.05])
@pytest.mark.parametrize("name", sorted(set(LINKS) - {"fast"}))
def test_acks_take_less_than_a_twentieth(name: str, loss: float) -> None:
    """Of what the link carries meanwhile, on a link that is busy all the time."""
    link = replace(LINKS[name], loss=loss)
    pair = Pair(link, seed=3)
    pair.greet()
    began, before = pair.now, len(pair.receiving.sent)
    detail = section(random.Random(1).randbytes(20_000), urgency=6, incremental=True)
    pair.offer(section(b"a red cat", urgency=0), section(bytes(250), urgency=2), detail)
    pair.run(done=lambda: bool(pair.events(PictureAcknowledged)))
    back = sum(len(data) for _, data in pair.receiving.sent[before:])
    assert back < 0.05 * link.rate / 8 * (pair.now - began)
