"""Does it stay well for hours? Pictures over a lossy link, in virtual time, with an eye on memory, timers and tasks.

    python -m evaluation.wire.soak --link all --json

Pictures of a typical size are offered at random moments, so that the link is busy for a good half of the time. How late
the text, the base and the whole of each are is told for every link, and that nothing grows: neither what the
connections hold, nor memory, nor timers.
"""

import argparse
import asyncio
import contextlib
import dataclasses
import gc
import json
import math
import random
import statistics
import sys
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace

from evaluation.virtual_time import VirtualTimeLoop, run_virtual
from layercast_common.errors import LayercastError
from protocol.connection.events import Event, OfferReceived, PictureDone, SectionReceived
from protocol.driver import Driver
from protocol.link_profiles import LINKS, LinkProfile, parse_link
from protocol.receiving.connection import ReceiverConnection
from protocol.receiving.options import ReceiverOptions
from protocol.sending.fragmentation import OutgoingSection
from protocol.transports.memory import memory_pair
from protocol.wire.limits import Limits
from sender.connection.sender import Sender

#: The share of the link's rate that the pictures and their framing take, apart from what is sent again.
BUSY = 0.55

#: Bytes of framing and acknowledgement for a byte of payload, roughly; for the choice of the interval alone.
FRAMING = 1.3

#: Pictures are offered at most this often, in seconds.
SHORTEST_INTERVAL = 2.0

#: A picture's sections: layer, urgency and payload in bytes. Text, lines, colours and detail of a 512 x 512 picture.
SECTIONS = ((0, 0, 32), (1, 2, 250), (2, 3, 90), (3, 6, 3000))

#: Growth of memory that is still called flat, in allocated blocks: caches that fill up are allowed, and noise is there.
FLAT_BLOCKS = 2000

#: Timers and tasks that one connection of each side needs at most.
MOST_TIMERS = 64
MOST_TASKS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How late something was after its picture was handed over, in seconds."""

    median: float
    p95: float
    worst: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakReport:
    """What an hour on a link brought.

    Attributes:
        link: the link's name.
        loss: the share of packets lost, 0 to 1.
        virtual_seconds, cpu_seconds: how long it took there, and how much of a processor's time it took here.
        offered, complete: pictures.
        text, base, whole: lateness of the first packet, of all but the detail, and of everything.
        payload_bytes, wire_bytes: what was to be sent, and what was, packets sent again included.
        most_held: the most payload bytes the receiver ever held for incomplete pictures.
        blocks: allocated memory blocks at the end of each sixth of the time.
        most_timers, most_tasks: the most there ever were in the event loop.
        flat: whether nothing grew.
    """

    link: str
    loss: float
    virtual_seconds: float
    cpu_seconds: float
    offered: int
    complete: int
    text: Latency
    base: Latency
    whole: Latency
    payload_bytes: int
    wire_bytes: int
    most_held: int
    blocks: tuple[int, ...]
    most_timers: int
    most_tasks: int
    flat: bool

    @property
    def holds(self) -> bool:
        """Whether every picture arrived and nothing grew."""
        return self.flat and self.complete == self.offered


class _Watch:
    """When each picture was handed over, and how late its parts came."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._began: dict[int, float] = {}
        self._base: dict[int, int] = {}
        self.text, self.base, self.whole = array("d"), array("d"), array("d")

    def begin(self, number: int) -> None:
        self._began[number] = self._loop.time()
        self._base[number] = len(SECTIONS) - 1

    def note(self, event: Event) -> None:
        match event:
            case OfferReceived():
                self.text.append(self._late(event.picture_id))
            case SectionReceived() if event.index < len(SECTIONS) - 1:
                self._base[event.picture_id] -= 1
                if not self._base[event.picture_id]:
                    self.base.append(self._late(event.picture_id))
            case PictureDone():
                self.whole.append(self._late(event.picture_id))
                del self._began[event.picture_id], self._base[event.picture_id]
            case _:
                pass

    def _late(self, number: int) -> float:
        return self._loop.time() - self._began[number]


async def soak(link: LinkProfile, *, seconds: float = 3600.0, seed: int = 0) -> SoakReport:
    """Send pictures over an emulated link for so long; the event loop must run in virtual time.

    Args:
        link: the link; its loss is that of both directions.
        seconds: of virtual time.
        seed: decides when pictures come, and what is lost.
    """
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    began, rng = time.process_time(), random.Random(seed)
    watch = _Watch(loop)
    ours, theirs = memory_pair(link, seed=seed)
    limits = Limits()
    receiver = ReceiverConnection(
        session=b"soak", mtu=theirs.mtu, now=loop.time(), options=ReceiverOptions(limits=limits)
    )
    receiving = asyncio.create_task(
        Driver(receiver, theirs, watch.note, stall_seconds=limits.stall_seconds).run(), name="receiver"
    )
    payload = sum(size for _, _, size in SECTIONS)
    interval = max(SHORTEST_INTERVAL, 8 * payload * FRAMING / BUSY / link.rate if link.rate else 0.0)
    sent = array("l")
    blocks: list[int] = []
    most_held = most_timers = most_tasks = 0
    async with Sender("memory", transport=ours) as sender:

        async def send(number: int) -> None:
            sections = [
                OutgoingSection(
                    layer=layer, coder=layer, payload=rng.randbytes(size), urgency=urgency, incremental=urgency == 6
                )
                for layer, urgency, size in SECTIONS
            ]
            watch.begin(number)
            with contextlib.suppress(LayercastError):
                sent.append((await sender.send_sections(b"\x4c\x01\x08\x08\x00\x07\x00\x00", sections)).sent)

        pending: set[asyncio.Task[None]] = set()
        offered, upcoming = 0, rng.expovariate(1 / interval)
        for part in range(1, 7):
            end = seconds * part / 6
            while upcoming < end:
                await asyncio.sleep(upcoming - loop.time())
                offered += 1
                pending.add(asyncio.create_task(send(offered)))
                upcoming = loop.time() + rng.expovariate(1 / interval)
                most_held = max(most_held, receiver.held)
                most_timers = max(most_timers, loop.timers)
                most_tasks = max(most_tasks, len(asyncio.all_tasks(loop)))
                pending = {task for task in pending if not task.done()}
            await asyncio.sleep(end - loop.time())
            if pending:
                # What a picture under way holds is no growth.
                await asyncio.wait(pending)
            gc.collect()
            blocks.append(sys.getallocatedblocks())
    with contextlib.suppress(LayercastError):
        await receiving
    return SoakReport(
        link=link.name,
        loss=link.loss,
        virtual_seconds=round(loop.time(), 1),
        cpu_seconds=round(time.process_time() - began, 2),
        offered=offered,
        complete=len(watch.whole),
        text=_latency(watch.text),
        base=_latency(watch.base),
        whole=_latency(watch.whole),
        payload_bytes=offered * payload,
        wire_bytes=sum(sent),
        most_held=most_held,
        blocks=tuple(blocks),
        most_timers=most_timers,
        most_tasks=most_tasks,
        flat=max(blocks[1:]) - blocks[1] <= FLAT_BLOCKS and most_timers <= MOST_TIMERS and most_tasks <= MOST_TASKS,
    )


def _latency(values: Sequence[float]) -> Latency:
    if not values:
        return Latency(median=math.nan, p95=math.nan, worst=math.nan)
    ordered = sorted(values)
    return Latency(
        median=round(statistics.median(ordered), 3),
        p95=round(ordered[math.ceil(0.95 * len(ordered)) - 1], 3),
        worst=round(ordered[-1], 3),
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the command; gives its exit code: 0 where every picture arrived and nothing grew."""
    parser = argparse.ArgumentParser(
        prog="python -m evaluation.wire.soak",
        description="Send pictures over an emulated link for hours of virtual time, and see that nothing grows.",
        epilog="example: python -m evaluation.wire.soak --link all --loss 0.1 --json",
    )
    parser.add_argument("--link", default="all", choices=["all", *sorted(LINKS)], help="the link to emulate (all)")
    parser.add_argument("--hours", type=float, default=1.0, help="of virtual time (1)")
    parser.add_argument("--loss", type=float, default=0.05, help="the share of packets lost each way, 0 to 1 (0.05)")
    parser.add_argument("--seed", type=int, default=0, help="decides what comes when, and what is lost (0)")
    parser.add_argument("--json", action="store_true", help="print one JSON array")
    options = parser.parse_args(arguments)
    reports = []
    try:
        for name in sorted(LINKS) if options.link == "all" else [options.link]:
            link = parse_link(name)
            assert link is not None
            link = replace(link, loss=options.loss)
            reports.append(run_virtual(soak(link, seconds=3600 * options.hours, seed=options.seed)))
            if not options.json:
                sys.stdout.write(f"{_in_words(reports[-1])}\n")
    except LayercastError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if options.json:
        sys.stdout.write(
            f"{json.dumps([dataclasses.asdict(report) | {'holds': report.holds} for report in reports])}\n"
        )
    return 0 if all(report.holds for report in reports) else 1


def _in_words(report: SoakReport) -> str:
    late = ", ".join(
        f"{name} {one.median:.2f} / {one.p95:.2f} s"
        for name, one in (("text", report.text), ("base", report.base), ("whole", report.whole))
    )
    return (
        f"{report.link}, {report.loss:.0%} lost, {report.virtual_seconds:.0f} s in {report.cpu_seconds:.1f} s: "
        f"{report.complete} of {report.offered} pictures; median / p95 of {late}; {report.wire_bytes} bytes for "
        f"{report.payload_bytes} of payload; {'nothing grew' if report.flat else 'SOMETHING GREW'}: memory blocks "
        f"{report.blocks[0]} to {report.blocks[-1]}, at most {report.most_timers} timers and {report.most_tasks} tasks"
    )


if __name__ == "__main__":
    sys.exit(main())
