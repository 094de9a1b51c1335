"""Compares the simulation with real sockets: when each layer of a picture arrives, in virtual time and in real time.

The same pictures are sent over each link twice: simulated, and from a sender to a receiver process over a WebSocket
through a proxy that shapes both directions; as root also over network interfaces of the kernel, see
`wire/links/interfaces.py`.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from codec.container.bitstream import Bitstream
from codec.encoder.options import EncodeOptions
from codec.encoder.picture import encode_picture
from codec.image_io import load_picture
from evaluation.simulation.links.model import SimulatedLink
from evaluation.simulation.scenario.model import Workload
from evaluation.simulation.transmission.carriers import CARRIERS, Carrier
from evaluation.simulation.transmission.events import RunRecord
from evaluation.simulation.transmission.layered import LayeredRun, run_layered
from evaluation.virtual_time import run_virtual
from evaluation.wire.links.interfaces import (
    FRAME_HEADER,
    bucket_bytes,
    kernel_missing,
    link_through_interfaces,
    netem_missing,
)
from evaluation.wire.links.slow_links import SlowLink, link_through_proxy
from evaluation.wire.receiving import Receiving
from protocol.link_profiles import LINKS, LinkProfile
from protocol.transports.websocket.transport import FRAME_BYTES, PACKET_OVERHEAD, SEGMENT_BYTES
from protocol.wire.limits import MAX_PACKET
from sender.connection.sender import Sender

#: The links that are compared by default.
DEFAULT_LINKS = ("iridium", "gsm", "nb-iot")

#: The largest difference that counts as agreement: this many seconds, or this share of the real time.
AGREED_SECONDS, AGREED_SHARE = 0.05, 0.05

#: Seconds from one picture to the next, in virtual and in real time; longer than any of them takes.
GAP = 15.0

#: The largest IP packet of the interfaces, in bytes: that of slow serial lines (RFC 1144), because their token buckets
#: must hold a packet, and let so many bytes pass at once after a pause.
INTERFACE_MTU = 296

#: The WebSocket through the proxy: frames without the headers of a network, costs as a real sender assumes them.
_PROXIED = Carrier(name="proxy", overhead=FRAME_BYTES, reliable=True, accounted=PACKET_OVERHEAD)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerArrival:
    """When a section arrived, in seconds after the picture was offered.

    Attributes:
        link: the link's name.
        way: proxy or interfaces.
        picture: the picture's number.
        layer: the section's layer.
        simulated, real: the times.
    """

    link: str
    way: str
    picture: int
    layer: int
    simulated: float
    real: float

    @property
    def agrees(self) -> bool:
        """Whether both times agree."""
        return abs(self.simulated - self.real) <= max(AGREED_SECONDS, AGREED_SHARE * self.real)


async def compare_way(
    links: Sequence[str], streams: Sequence[Bitstream], *, kernel: bool, gap: float = GAP
) -> list[LayerArrival]:
    """Send pictures over links for real, and compare with the simulation.

    Args:
        links: names of plain profiles.
        streams: the pictures; the first one opens the connection and is not compared.
        kernel: whether to use network interfaces.
        gap: seconds from one picture to the next.
    """
    make_link: SlowLink = partial(link_through_interfaces, mtu=INTERFACE_MTU) if kernel else link_through_proxy
    profiles = [LINKS[name] for name in links]
    real = await asyncio.gather(*(_send(make_link, one, streams, gap) for one in profiles))
    carrier, way = (_websocket(INTERFACE_MTU), "interfaces") if kernel else (_PROXIED, "proxy")
    arrivals = []
    for profile, times in zip(profiles, real, strict=True):
        link = SimulatedLink.of(replace(profile, mtu=MAX_PACKET))
        if kernel:
            direction = replace(link.there, burst=bucket_bytes(INTERFACE_MTU))
            link = replace(link, there=direction, back=direction)
        simulated = await asyncio.to_thread(_simulate, link, carrier, streams, gap)
        arrivals += [
            LayerArrival(
                link=profile.name,
                way=way,
                picture=picture,
                layer=int(streams[picture].sections[section].layer),
                simulated=round(simulated[picture, section], 4),
                real=round(at, 4),
            )
            for (picture, section), at in sorted(times.items())
            if picture
        ]
    return arrivals


def _websocket(mtu: int) -> Carrier:
    """Return WebSockets over interfaces with a largest IP packet."""
    carrier = CARRIERS["websocket"]
    assert carrier.tcp is not None
    return replace(carrier, tcp=replace(carrier.tcp, segment=mtu - SEGMENT_BYTES + FRAME_HEADER))


async def _send(
    make_link: SlowLink, profile: LinkProfile, streams: Sequence[Bitstream], gap: float
) -> dict[tuple[int, int], float]:
    """Return when each section arrived, by index of picture and section, in seconds after the offer."""
    async with (
        make_link(profile.rate, profile.delay) as (within, listen, reach),
        Receiving(listen, within=within) as receiving,
        reach(receiving.url) as url,
        Sender(url, rate=profile.rate) as sender,
    ):
        start = time.monotonic()
        began: dict[int, tuple[int, float]] = {}
        for index, stream in enumerate(streams):
            await asyncio.sleep(start + gap * index - time.monotonic())
            offered = time.monotonic()
            delivery = await sender.send(stream)
            began[delivery.picture_id] = index, offered
        sections = (await receiving.look()).sections
    return {(began[picture][0], section): at - began[picture][1] for at, picture, section in sections}


async def _measure_lateness(timers: int = 100) -> float:
    """Return how late 95 % of this machine's timers are at most, in seconds: a busy machine cannot shape a link."""
    loop, late = asyncio.get_running_loop(), []
    for _ in range(timers):
        due = loop.time() + 0.01
        await asyncio.sleep(0.01)
        late.append(loop.time() - due)
    return round(sorted(late)[-timers // 20], 4)


def _simulate(
    link: SimulatedLink, carrier: Carrier, streams: Sequence[Bitstream], gap: float
) -> dict[tuple[int, int], float]:
    record = RunRecord()
    run = LayeredRun(
        link=link,
        transport=carrier,
        order="paper",
        repair=True,
        seed=0,
        workload=Workload(),
        streams=streams,
        times=[gap * number for number in range(len(streams))],
    )
    run_virtual(run_layered(run, record))
    return {
        (event.picture, event.section): event.t - run.times[event.picture]
        for event in record.events
        if event.event == "section"
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class RealityReport:
    """The comparison.

    Attributes:
        arrivals: of every section, over every link and way.
        interfaces_missing: why there were no network interfaces; None if there were.
        netem_missing: why the kernel's netem did not delay the packets; None if it did.
        late_s: 95 % of this machine's timers were late by at most this many seconds: a busy one cannot shape a link.
    """

    arrivals: tuple[LayerArrival, ...]
    interfaces_missing: str | None
    netem_missing: str | None
    late_s: float

    @property
    def agreed(self) -> bool:
        """Whether all arrivals agree."""
        return all(arrival.agrees for arrival in self.arrivals)


def compare_with_reality(links: Sequence[str], images: Sequence[Path]) -> RealityReport:
    """Compare the simulation with real sockets; takes two minutes.

    Args:
        links: names of plain profiles.
        images: pictures; the first one is not compared. Three drawn ones if there are none.

    Raises:
        LayercastError: a picture cannot be read, or a link cannot be set up.
    """
    streams = [
        encode_picture(load_picture(path).image, EncodeOptions(prompt="a picture", budget=655)).stream
        for path in images
    ] or drawn_streams()
    arrivals = asyncio.run(compare_way(links, streams, kernel=False))
    missing = kernel_missing()
    if missing is None:
        arrivals += asyncio.run(compare_way(links, streams, kernel=True))
    return RealityReport(
        arrivals=tuple(arrivals),
        interfaces_missing=missing,
        netem_missing=missing or netem_missing(),
        late_s=asyncio.run(_measure_lateness()),
    )


def drawn_streams() -> list[Bitstream]:
    """Return streams of three pictures that need no file."""
    import numpy as np

    pictures = [
        np.random.default_rng(seed).integers(0, 255, (8, 8, 3), np.uint8).repeat(64, 0).repeat(64, 1)
        for seed in range(3)
    ]
    options = EncodeOptions(prompt="coloured squares", budget=655)
    return [encode_picture(pixels, options).stream for pixels in pictures]
