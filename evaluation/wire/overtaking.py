"""Measures whether an urgent text overtakes 100 kB of detail on a real, slow link, and what that costs the detail.

Two senders run side by side, each over its own link: layercast's, and a plain one that sends its packets in order, as
fast as its socket accepts them. Both send the same bytes of detail, and get the urgent text while the detail is in
flight. The plain sender uses the largest packets, since nothing has to overtake them.
"""

import asyncio
import time
from dataclasses import dataclass

from evaluation.wire.links.interfaces import link_through_interfaces
from evaluation.wire.links.slow_links import SlowLink, link_through_proxy
from evaluation.wire.receiving import Receiving
from layercast_common.tasks import start_task
from protocol.recovery import window as windows
from protocol.sending.pictures.fragmentation import OutgoingSection
from protocol.transports.addresses import open_transport
from protocol.transports.websocket.transport import FRAME_BYTES, PACKET_OVERHEAD, SEGMENT_BYTES
from protocol.wire.limits import MAX_PACKET
from sender.connection.sender import Sender

#: The default link: a GSM data channel, in bit/s and in seconds one way.
RATE, DELAY = 9600.0, 0.3

#: Size of the urgent text, in bytes.
URGENT = 60

#: Bytes of an OFFER with the text that are not text: framing, head, and a table of one section.
OFFER_FRAMING = 40

#: Bytes of a DATA packet that are not payload.
DATA_FRAMING = 13

#: Bytes sent before the measurement.
WARM_UP = 1200

#: The largest section of detail, in bytes.
MOST_SECTION = 60_000

_HEAD = b"\x4c\x01\x08\x08\x00\x07\x00\x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferRun:
    """The times of one sender.

    Attributes:
        urgent: from offering the text until the receiver held it, in seconds.
        whole: from the first packet until the receiver held everything, in seconds.
    """

    urgent: float
    whole: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OvertakingReport:
    """The comparison over one kind of link.

    Attributes:
        link: the kind of link.
        rate: the link's rate, in bit/s.
        queued: bytes of detail.
        round_trip: of a small packet over the idle link, in seconds.
        window: the most bytes in flight.
        packet: size of layercast's packets of detail, in bytes.
        ours, fifo: the times of layercast's sender and of the plain one.
        bound: the longest time allowed for the urgent text: (window + one packet) / rate + round trip, in seconds;
            window and packet including their headers on the link.
        whole_ratio: the time of layercast's sender for everything, relative to the plain sender's.
    """

    link: str
    rate: float
    queued: int
    round_trip: float
    window: int
    packet: int
    ours: TransferRun
    fifo: TransferRun
    bound: float
    whole_ratio: float


async def measure_overtaking(
    *, queued: int = 100_000, rate: float = RATE, delay: float = DELAY, kernel: bool = False
) -> OvertakingReport:
    """Run both senders at once. Takes the transmission time of the bytes: 90 s for 100 kB at 9,600 bit/s.

    Args:
        queued: bytes of detail.
        rate: the link's rate, in bit/s.
        delay: the one-way delay, in seconds; links of network interfaces have none.
        kernel: whether the links are network interfaces; needs root on Linux, see `interfaces.kernel_missing`.
    """
    make_link, delay = (link_through_interfaces, 0.0) if kernel else (link_through_proxy, delay)
    (ours, round_trip), fifo = await asyncio.gather(
        _run_ours(make_link, rate, delay, queued), _run_fifo(make_link, rate, delay, queued)
    )
    packet = windows.packet_size(rate, MAX_PACKET, PACKET_OVERHEAD, queued)
    window = windows.window(rate, round_trip, packet)
    cost = 1 + (FRAME_BYTES + (SEGMENT_BYTES if kernel else 0)) / packet
    bound = 8 * cost * (window + packet) / rate + round_trip
    return OvertakingReport(
        link="netns and tbf" if kernel else "user space",
        rate=rate,
        queued=queued,
        round_trip=round(round_trip, 3),
        window=window,
        packet=packet,
        ours=ours,
        fifo=fifo,
        bound=round(bound, 3),
        whole_ratio=round(ours.whole / fifo.whole, 4),
    )


async def _run_ours(make_link: SlowLink, rate: float, delay: float, queued: int) -> tuple[TransferRun, float]:
    async with (
        make_link(rate, delay) as (within, listen, reach),
        Receiving(listen, within=within) as receiving,
        reach(receiving.url) as url,
        Sender(url, rate=rate) as sender,
    ):
        # Uses up the burst that the kernel's token bucket allows.
        await sender.send_sections(_HEAD, _sections(0, 0, WARM_UP))
        first = await sender.send_sections(_HEAD, _sections(0, 0, 1))
        began = time.monotonic()
        detail = start_task(sender.send_sections(_HEAD, _detail(queued)), name="detail")
        await asyncio.sleep(_until_busy(rate, queued))
        offered = time.monotonic()
        text = await sender.send_sections(_HEAD, _sections(0, 0, URGENT))
        await detail
        arrivals = (await receiving.look()).arrivals
    urgent = next(at for at, what, which in arrivals if (what, which) == ("offer", text.picture_id))
    whole = max(at for at, what, _ in arrivals if what == "done")
    return TransferRun(urgent=round(urgent - offered, 3), whole=round(whole - began, 3)), first.seconds


async def _run_fifo(make_link: SlowLink, rate: float, delay: float, queued: int) -> TransferRun:
    payload = MAX_PACKET - DATA_FRAMING
    sizes = [MAX_PACKET] * (queued // payload) + [queued % payload + DATA_FRAMING]
    waiting: asyncio.Queue[int] = asyncio.Queue()
    for size in sizes:
        waiting.put_nowait(size)

    async with (
        make_link(rate, delay) as (within, listen, reach),
        Receiving(listen, plain=True, within=within) as receiving,
        reach(receiving.url) as url,
    ):
        transport = await open_transport(url)
        await transport.send(bytes(WARM_UP))
        while not (await receiving.look()).arrivals:  # noqa: ASYNC110 - the event is in another process
            await asyncio.sleep(0.05)

        async def write() -> None:
            while size := await waiting.get():
                await transport.send(bytes(size))

        began = time.monotonic()
        writing = start_task(write(), name="plain writer")
        await asyncio.sleep(_until_busy(rate, queued))
        offered = time.monotonic()
        # A size that no other packet has, to recognise it.
        urgent_size = URGENT + OFFER_FRAMING
        waiting.put_nowait(urgent_size)
        waiting.put_nowait(0)
        await writing
        while not (arrivals := (await receiving.look()).arrivals) or arrivals[-1][2] != urgent_size:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
        await transport.close()
    urgent = arrivals[-1][0]
    return TransferRun(urgent=round(urgent - offered, 3), whole=round(urgent - began, 3))


def _until_busy(rate: float, queued: int) -> float:
    """Return when to offer the urgent text, in seconds: once the link is full, and well before it is empty."""
    return min(2.5, 0.3 * 8 * queued / rate)


def _detail(queued: int) -> list[OutgoingSection]:
    sizes = [MOST_SECTION] * (queued // MOST_SECTION) + ([queued % MOST_SECTION] if queued % MOST_SECTION else [])
    return [section for size in sizes for section in _sections(3, 6, size)]


def _sections(layer: int, urgency: int, size: int) -> list[OutgoingSection]:
    return [OutgoingSection(layer=layer, coder=0, payload=bytes(size), urgency=urgency, incremental=layer == 3)]
