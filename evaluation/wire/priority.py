"""Measures on an emulated link whether a new picture overtakes bytes that are already queued.

A long, unurgent section is queued first. While it is sent, new pictures are offered, and the time until the receiver
holds the first packet of each, which carries its text, is measured. The link is a WebSocket on this machine in real
time, or a link in memory in virtual time.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from layercast_common.tasks import start_task
from protocol.connection.events import OfferReceived, ReceiverEvent
from protocol.driver import Driver
from protocol.link_profiles import LinkProfile
from protocol.receiving.connection import ReceiverConnection
from protocol.receiving.options import ReceiverOptions
from protocol.sending.pictures.fragmentation import OutgoingSection
from protocol.transports.memory import memory_pair
from protocol.wire.limits import Limits
from receiver.server import Server
from sender.connection.sender import Sender

#: The longest time for the text of a new picture, in seconds.
BOUND_SECONDS = 1.5

_HEAD = b"\x4c\x01\x08\x08\x00\x07\x00\x00"
_TEXT = b"an old red lighthouse at the sea"


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorityReport:
    """The results.

    Attributes:
        link: the link's name.
        rate: its rate, in bit/s.
        delay: its one-way delay, in seconds.
        queued_bytes: unurgent payload bytes queued before the pictures.
        seconds: for each new picture, the time from the offer until the receiver held its text.
        worst_seconds: the largest of these.
        unhindered_seconds: the time of the first packet over the idle link: transmission and delay.
        fifo_seconds: the time behind all queued bytes; computed from the rate, not measured.
        bound_seconds: the longest time allowed.
        holds: whether `worst_seconds` is within the bound.
    """

    link: str
    rate: float
    delay: float
    queued_bytes: int
    seconds: tuple[float, ...]
    worst_seconds: float
    unhindered_seconds: float
    fifo_seconds: float
    bound_seconds: float
    holds: bool


class _Offers:
    """The arrival time and size of the OFFER of each picture."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._arrivals: dict[int, asyncio.Future[tuple[float, int]]] = {}

    def on_event(self, event: ReceiverEvent) -> None:
        if isinstance(event, OfferReceived):
            self._future(event.picture_id).set_result((self._loop.time(), event.received))

    async def of(self, image: int) -> tuple[float, int]:
        return await self._future(image)

    def _future(self, image: int) -> "asyncio.Future[tuple[float, int]]":
        return self._arrivals.setdefault(image, self._loop.create_future())


async def measure_priority(
    link: LinkProfile, *, queued: int = 6000, pictures: int = 3, bound: float = BOUND_SECONDS, virtual: bool = False
) -> PriorityReport:
    """Queue unurgent bytes on the link, then measure the first packets of new pictures.

    Args:
        link: the link to emulate.
        queued: unurgent payload bytes to queue.
        pictures: how many new pictures to offer, one after the other.
        bound: the longest time for a first packet, in seconds.
        virtual: whether to use a link in memory; the event loop must then run in virtual time.
    """
    loop = asyncio.get_running_loop()
    offers = _Offers()
    open_sender = _over_memory if virtual else _over_websocket
    async with open_sender(link, offers) as sender:
        bulk = OutgoingSection(layer=3, coder=0, payload=bytes(queued), urgency=6, incremental=True)
        tasks = [start_task(sender.send_sections(_HEAD, [bulk]), name="unurgent bytes")]
        await offers.of(1)
        # After this time the sender has filled the window.
        await asyncio.sleep(2 * link.delay + 0.5)
        seconds, size = [], 0
        for image in range(2, pictures + 2):
            began = loop.time()
            tasks.append(start_task(sender.send_sections(_HEAD, _picture()), name=f"picture {image}"))
            came, size = await offers.of(image)
            seconds.append(came - began)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    bits_time = 8 / link.rate if link.rate else 0.0
    return PriorityReport(
        link=link.name,
        rate=link.rate,
        delay=link.delay,
        queued_bytes=queued,
        seconds=tuple(round(one, 4) for one in seconds),
        worst_seconds=round(max(seconds), 4),
        unhindered_seconds=round(size * bits_time + link.delay, 4),
        fifo_seconds=round((queued + size) * bits_time + link.delay, 4),
        bound_seconds=bound,
        holds=max(seconds) <= bound,
    )


def _picture() -> list[OutgoingSection]:
    return [
        OutgoingSection(layer=0, coder=0, payload=_TEXT, urgency=0),
        OutgoingSection(layer=1, coder=1, payload=bytes(250), urgency=2),
        OutgoingSection(layer=2, coder=2, payload=bytes(90), urgency=3),
    ]


@contextlib.asynccontextmanager
async def _over_websocket(link: LinkProfile, offers: _Offers) -> AsyncIterator[Sender]:
    async with (
        Server("ws://127.0.0.1:0", on_event=offers.on_event) as server,
        Sender(server.url, link=link) as sender,
    ):
        yield sender


@contextlib.asynccontextmanager
async def _over_memory(link: LinkProfile, offers: _Offers) -> AsyncIterator[Sender]:
    ours, theirs = memory_pair(link)
    limits = Limits()
    connection = ReceiverConnection(session=b"virtual", mtu=theirs.mtu, now=0.0, options=ReceiverOptions(limits=limits))
    driver = Driver(connection, theirs, offers.on_event, stall_seconds=limits.stall_seconds)
    receiving = start_task(driver.run(), name="receiver")
    async with Sender("memory", transport=ours) as sender:
        yield sender
    await receiving


def describe_priority(report: PriorityReport) -> str:
    """Return a report in a sentence."""
    return (
        f"{report.link}, {report.rate:g} bit/s: behind {report.queued_bytes} queued bytes a new picture's text took "
        f"{report.worst_seconds:.2f} s at worst; {report.unhindered_seconds:.2f} s over the idle link, "
        f"{report.fifo_seconds:.2f} s behind the queue; at most {report.bound_seconds:.2f} s are allowed"
    )
