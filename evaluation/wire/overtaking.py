"""Does an urgent text overtake 100 kB of detail on a real, slow link; and what does the rest pay for it?

Two senders, side by side in one run, each over a link of its own: ours, and a plain one that sends its packets in
order, as fast as its socket takes them. Both send the same bytes of detail, and are given the urgent text while that is
on its way; the plain one's packets are the largest there are, for nothing has to overtake them. The links are real
sockets behind a bottleneck in user space or, for root on Linux, pairs of network interfaces with a token bucket.
"""

import asyncio
import contextlib
import itertools
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from evaluation.wire.bottleneck import Bottleneck
from evaluation.wire.receiving import Receiving
from protocol.recovery import window as windows
from protocol.sending.fragmentation import OutgoingSection
from protocol.transports.addresses import open_transport
from protocol.transports.websocket.transport import FRAME_BYTES, PACKET_OVERHEAD, SEGMENT_BYTES
from protocol.wire.limits import MAX_PACKET
from sender.connection.sender import Sender

#: The link: GSM's data channel.
RATE, DELAY = 9600.0, 0.3

#: The text that is in a hurry, in bytes.
URGENT = 60

#: Bytes of a packet with the text that are not text: framing, head, and the table of one section.
OFFER_FRAMING = 40

#: Bytes of a DATA packet that are not payload.
DATA_FRAMING = 13

#: Bytes that are sent before anything is measured.
WARM_UP = 1200

#: Detail is cut into sections that a peer may announce.
MOST_SECTION = 60_000

_HEAD = b"\x4c\x01\x08\x08\x00\x07\x00\x00"

#: Network namespaces and their two ends' addresses have numbers, others in every process.
_numbers = itertools.count()


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferRun:
    """What one sender did.

    Attributes:
        urgent: from handing the text over until the receiver held it, in seconds.
        whole: from the first packet until the receiver held everything, in seconds.
    """

    urgent: float
    whole: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OvertakingReport:
    """Both senders over one kind of link.

    Attributes:
        link: what the link was made of.
        rate: in bit/s.
        queued: bytes of detail.
        round_trip: of a small packet over the idle link, in seconds.
        window: bytes that may be on their way.
        packet: bytes of a packet of our detail.
        ours, fifo: what the senders did.
        bound: what the urgent text may take: (window + one packet) / rate + round trip, in seconds; window and packet
            with the headers that they get on the link.
        whole_ratio: what everything together takes us, over what it takes the plain sender.
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


#: Makes a link to a receiver process: gives what to run that process within, where it listens, and how to reach it.
Road = Callable[[float, float], AbstractAsyncContextManager[tuple[Sequence[str], str, Callable[[str], "Reach"]]]]
Reach = AbstractAsyncContextManager[str]


async def measure_overtaking(
    *, queued: int = 100_000, rate: float = RATE, delay: float = DELAY, kernel: bool = False
) -> OvertakingReport:
    """Run both senders at once. Takes as long as the bytes do: 90 s for 100 kB at 9,600 bit/s.

    Args:
        queued: bytes of detail.
        rate: the link's, in bit/s.
        delay: one way, in seconds; links of the kernel have none.
        kernel: whether the links are network interfaces; needs root on Linux, see `kernel_missing`.
    """
    road = _through_interfaces if kernel else _through_proxy
    (ours, round_trip), fifo = await asyncio.gather(
        _run_ours(road, rate, delay, queued), _run_fifo(road, rate, delay, queued)
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


def kernel_missing() -> str | None:
    """Why links of network interfaces cannot be made here; None if they can."""
    if os.geteuid() != 0:
        return "only root may make network interfaces"
    if shutil.which("ip") is None or shutil.which("tc") is None:
        return "the commands ip and tc are not installed"
    try:
        name = f"layercast-{os.getpid()}-try"
        _command("ip", "netns", "add", name)
        _command("ip", "netns", "del", name)
    except OSError as error:
        return str(error)
    return None


async def _run_ours(road: Road, rate: float, delay: float, queued: int) -> tuple[TransferRun, float]:
    async with (
        road(rate, delay) as (within, listen, reach),
        Receiving(listen, within=within) as receiving,
        reach(receiving.url) as url,
        Sender(url, rate=rate) as sender,
    ):
        # A bucket of the kernel has saved up for a burst, and lets that pass at once.
        await sender.send_sections(_HEAD, _sections(0, 0, WARM_UP))
        first = await sender.send_sections(_HEAD, _sections(0, 0, 1))
        began = time.monotonic()
        detail = asyncio.create_task(sender.send_sections(_HEAD, _detail(queued)))
        await asyncio.sleep(_until_busy(rate, queued))
        offered = time.monotonic()
        text = await sender.send_sections(_HEAD, _sections(0, 0, URGENT))
        await detail
        arrivals = (await receiving.look()).arrivals
    urgent = next(at for at, what, which in arrivals if (what, which) == ("offer", text.image))
    whole = max(at for at, what, _ in arrivals if what == "done")
    return TransferRun(urgent=round(urgent - offered, 3), whole=round(whole - began, 3)), first.seconds


async def _run_fifo(road: Road, rate: float, delay: float, queued: int) -> TransferRun:
    payload = MAX_PACKET - DATA_FRAMING
    sizes = [MAX_PACKET] * (queued // payload) + [queued % payload + DATA_FRAMING]
    waiting: asyncio.Queue[int] = asyncio.Queue()
    for size in sizes:
        waiting.put_nowait(size)

    async with (
        road(rate, delay) as (within, listen, reach),
        Receiving(listen, plain=True, within=within) as receiving,
        reach(receiving.url) as url,
    ):
        transport = await open_transport(url)
        await transport.send(bytes(WARM_UP))
        while not (await receiving.look()).arrivals:  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(0.05)

        async def write() -> None:
            while size := await waiting.get():
                await transport.send(bytes(size))

        began = time.monotonic()
        writing = asyncio.create_task(write())
        await asyncio.sleep(_until_busy(rate, queued))
        offered = time.monotonic()
        # One byte more or less than any other, so that it is known again.
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
    """When the urgent text comes: once the link is as full as it will get, but well before it is empty."""
    return min(2.5, 0.3 * 8 * queued / rate)


def _detail(queued: int) -> list[OutgoingSection]:
    sizes = [MOST_SECTION] * (queued // MOST_SECTION) + ([queued % MOST_SECTION] if queued % MOST_SECTION else [])
    return [section for size in sizes for section in _sections(3, 6, size)]


def _sections(layer: int, urgency: int, size: int) -> list[OutgoingSection]:
    return [OutgoingSection(layer=layer, coder=0, payload=bytes(size), urgency=urgency, incremental=layer == 3)]


@contextlib.asynccontextmanager
async def _through_proxy(rate: float, delay: float) -> AsyncIterator[tuple[Sequence[str], str, Callable[[str], Reach]]]:
    @contextlib.asynccontextmanager
    async def reach(url: str) -> AsyncIterator[str]:
        async with Bottleneck(url, rate=rate, delay=delay) as bottleneck:
            yield bottleneck.url

    yield (), "ws://127.0.0.1:0", reach


@contextlib.asynccontextmanager
async def _through_interfaces(
    rate: float, _delay: float
) -> AsyncIterator[tuple[Sequence[str], str, Callable[[str], Reach]]]:
    number = (16 * os.getpid() + next(_numbers)) % 65536
    name, near, far = f"layercast-{number}", f"lc{number}n", f"lc{number}f"
    here, there = (f"10.213.{number // 64 % 256}.{4 * (number % 64) + end}" for end in (1, 2))
    # Its burst must hold a whole frame; what the bucket has saved up passes free, and is used up before we measure.
    bucket = ("root", "tbf", "rate", f"{rate:.0f}bit", "burst", "1600", "limit", "400000")
    _command("ip", "netns", "add", name)
    try:
        _command("ip", "link", "add", near, "type", "veth", "peer", "name", far, "netns", name)
        _command("ip", "addr", "add", f"{here}/30", "dev", near)
        _command("ip", "link", "set", near, "up")
        _command("ip", "-n", name, "addr", "add", f"{there}/30", "dev", far)
        _command("ip", "-n", name, "link", "set", far, "up")
        _command("tc", "qdisc", "add", "dev", near, *bucket)
        _command("tc", "-n", name, "qdisc", "add", "dev", far, *bucket)

        @contextlib.asynccontextmanager
        async def reach(url: str) -> AsyncIterator[str]:
            yield url

        yield ("ip", "netns", "exec", name), f"ws://{there}:0", reach
    finally:
        _command("ip", "netns", "del", name)


def _command(*words: str) -> None:
    done = subprocess.run(  # noqa: S603 - our own words
        words,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise OSError(f"{' '.join(words[:4])} ...: {done.stderr.strip()}")
