"""Soak test: pictures over a lossy link for hours of virtual time, with checks of memory, timers and tasks.

Pictures of a typical size are offered at random times, so that the link is busy for about half of the time. The report
gives the latency of the text, the base and the whole of the pictures, and whether memory, timers or tasks grow.
"""

import asyncio
import contextlib
import gc
import random
import sys
import time
from array import array
from dataclasses import dataclass

from evaluation.virtual_time import VirtualTimeLoop
from evaluation.wire.latency import SECTIONS, Latency, LatencyRecorder
from layercast_common.errors import LayercastError
from layercast_common.tasks import start_task
from protocol.driver import Driver
from protocol.link_profiles import LinkProfile
from protocol.receiving.connection import ReceiverConnection
from protocol.receiving.options import ReceiverOptions
from protocol.sending.pictures.fragmentation import OutgoingSection
from protocol.transports.memory import memory_pair
from protocol.wire.limits import Limits
from sender.connection.sender import Sender

#: The share of the link's rate for pictures and framing, without retransmissions.
BUSY = 0.55

#: Bytes on the wire per byte of payload, approximately; it determines the interval between pictures.
FRAMING = 1.3

#: The shortest interval between pictures, in seconds.
SHORTEST_INTERVAL = 2.0

#: Growth of memory that counts as flat, in allocated blocks: caches fill up, and there is noise.
FLAT_BLOCKS = 2000

#: The most timers and tasks of one connection, both ends together.
MOST_TIMERS = 64
MOST_TASKS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakReport:
    """The results on one link.

    Attributes:
        link: the link's name.
        loss: the share of packets lost, 0 to 1.
        virtual_seconds, cpu_seconds: the virtual time, and the processor time that it took.
        offered, complete: the number of pictures.
        text, base, whole: latency of the first packet, of all sections but the detail, and of everything.
        payload_bytes, wire_bytes: bytes of payload, and bytes sent, retransmissions included.
        most_held: the most payload bytes that the receiver held for incomplete pictures.
        blocks: allocated memory blocks at the end of each sixth of the time.
        most_timers, most_tasks: the most timers and tasks in the event loop.
        flat: whether neither memory nor timers nor tasks grew.
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
        """Whether every picture arrived, and nothing grew."""
        return self.flat and self.complete == self.offered


async def soak(link: LinkProfile, *, seconds: float = 3600.0, seed: int = 0) -> SoakReport:
    """Send pictures over an emulated link; the event loop must run in virtual time.

    Args:
        link: the link; its loss applies to both directions.
        seconds: the duration, in virtual seconds.
        seed: decides when pictures are offered, and which packets are lost.
    """
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    began, rng = time.process_time(), random.Random(seed)
    recorder = LatencyRecorder(loop)
    ours, theirs = memory_pair(link, seed=seed)
    limits = Limits()
    receiver = ReceiverConnection(
        session=b"soak", mtu=theirs.mtu, now=loop.time(), options=ReceiverOptions(limits=limits)
    )
    driver = Driver(receiver, theirs, recorder.on_event, stall_seconds=limits.stall_seconds)
    receiving = start_task(driver.run(), name="receiver")
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
            recorder.start(number)
            with contextlib.suppress(LayercastError):
                sent.append((await sender.send_sections(b"\x4c\x01\x08\x08\x00\x07\x00\x00", sections)).sent)

        pending: set[asyncio.Task[None]] = set()
        offered, upcoming = 0, rng.expovariate(1 / interval)
        for part in range(1, 7):
            end = seconds * part / 6
            while upcoming < end:
                await asyncio.sleep(upcoming - loop.time())
                offered += 1
                pending.add(start_task(send(offered), name=f"picture {offered}"))
                upcoming = loop.time() + rng.expovariate(1 / interval)
                most_held = max(most_held, receiver.held)
                most_timers = max(most_timers, loop.timers)
                most_tasks = max(most_tasks, len(asyncio.all_tasks(loop)))
                pending = {task for task in pending if not task.done()}
            await asyncio.sleep(end - loop.time())
            if pending:
                # The memory of a picture in transit is no growth.
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
        complete=len(recorder.whole),
        text=Latency.of(recorder.text),
        base=Latency.of(recorder.base),
        whole=Latency.of(recorder.whole),
        payload_bytes=offered * payload,
        wire_bytes=sum(sent),
        most_held=most_held,
        blocks=tuple(blocks),
        most_timers=most_timers,
        most_tasks=most_tasks,
        flat=max(blocks[1:]) - blocks[1] <= FLAT_BLOCKS and most_timers <= MOST_TIMERS and most_tasks <= MOST_TASKS,
    )


def describe_soak(report: SoakReport) -> str:
    """Return a report in a sentence."""
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
