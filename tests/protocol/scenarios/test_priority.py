"""The bound that priority keeps on a slow link: exact, in virtual time."""

import asyncio
from dataclasses import replace

import pytest

from evaluation.virtual_time import run_virtual
from evaluation.wire.priority import PriorityReport, measure_priority
from protocol.link_profiles import LINKS, LinkProfile
from protocol.recovery.window import HEADROOM, packet_size
from protocol.transports.memory import memory_pair


def measure(link: LinkProfile, queued: int = 6000) -> PriorityReport:
    """In virtual time."""
    return run_virtual(measure_priority(link, queued=queued, virtual=True))


def test_new_text_within_a_second_and_a_half_at_2400_bits() -> None:
    report = measure(LINKS["iridium"])
    assert report.rate == 2400
    assert report.holds
    assert report.worst_seconds <= 1.5
    assert report.fifo_seconds > 20


@pytest.mark.parametrize("phase", range(12))
@pytest.mark.parametrize("name", ["iridium", "gsm", "lora-sf7", "lora-sf9", "nb-iot", "acoustic"])
def test_at_most_one_packet_is_in_the_way(name: str, phase: int) -> None:
    """Whatever the moment at which the new picture comes; a delay that differs a little moves it."""
    link = replace(LINKS[name], delay=LINKS[name].delay + phase * 0.013)
    report = measure(link)
    in_the_way = 8 * packet_size(link.rate, link.mtu) / link.rate
    if HEADROOM * 2 * link.delay * link.rate / 8 < 100:
        # So short a link holds less than a first packet, which then waits for an acknowledgement, too.
        in_the_way += 2 * link.delay
    assert report.worst_seconds <= report.unhindered_seconds + in_the_way + 0.01


def test_two_measurements_are_the_same() -> None:
    assert measure(LINKS["gsm"]) == measure(LINKS["gsm"])


def test_a_plain_queue_would_not_hold_the_bound() -> None:
    """The same bytes handed to the same link without a window: proof that the bound is the protocol's doing."""

    async def queue_up() -> float:
        ours, theirs = memory_pair(LINKS["iridium"])
        for _ in range(6000 // 64):
            await ours.send(bytes(64))
        await ours.send(b"urgent")
        while await theirs.recv() != b"urgent":
            pass
        return asyncio.get_running_loop().time()

    assert run_virtual(queue_up()) > 20
