"""All measurements of the wire protocol in one run."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.thresholds import Threshold
from evaluation.virtual_time import run_virtual
from evaluation.wire.greeting import count_greeting
from evaluation.wire.links.interfaces import kernel_missing
from evaluation.wire.many_senders import IDLE_BYTES, STARVED, IdleReport, RushReport, measure_idle, measure_rush
from evaluation.wire.overtaking import OvertakingReport, measure_overtaking
from evaluation.wire.packets import DATA_OVERHEAD_BAR, GREETING_BAR, SPEED_BAR, PacketFigures, measure_packets
from evaluation.wire.soak import SoakReport, soak
from protocol.link_profiles import LINKS

#: Bytes of detail queued before the urgent text, in a full and in a quick run.
FULL_DETAIL, QUICK_DETAIL = 100_000, 12_000

#: How long each link is measured, in virtual seconds, in a full and in a quick run.
FULL_SECONDS, QUICK_SECONDS = 3600.0, 600.0

#: The longest time for everything, relative to a plain sender: the tolerance of clocks and of the last round trip.
WHOLE_RATIO = 1.02

#: Called with the current measurement, the steps done, and the number of steps.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class WireReport:
    """The results.

    Attributes:
        packets: size and speed of packets.
        greeting: bytes of a handshake, counted on a socket.
        idle: memory of idle sessions; None where it cannot be measured.
        rush: many concurrent senders.
        overtaking: an urgent text behind detail, over each kind of link.
        kernel_missing: why there was no link of network interfaces; None if there was one.
        links: latencies over each link, in virtual time.
    """

    packets: PacketFigures
    greeting: int
    idle: IdleReport | None
    rush: RushReport
    overtaking: tuple[OvertakingReport, ...]
    kernel_missing: str | None
    links: tuple[SoakReport, ...]

    @property
    def bars(self) -> tuple[Threshold, ...]:
        """The results that have thresholds."""
        bars = [
            Threshold("framing of a DATA packet, bytes", self.packets.data_overhead, DATA_OVERHEAD_BAR),
            Threshold("greeting until the first OFFER, bytes", self.greeting, GREETING_BAR),
            Threshold(
                "packets encoded and decoded per second", self.packets.packets_per_second, SPEED_BAR, at_least=True
            ),
        ]
        if self.idle is not None:
            bars.append(
                Threshold(f"each of {self.idle.sessions} idle sessions, bytes", self.idle.bytes_each, IDLE_BYTES)
            )
        bars.append(Threshold(f"dropped of {self.rush.sessions} senders at once", self.rush.dropped, 0))
        bars.append(
            Threshold(
                f"pictures of {self.rush.pictures} that did not arrive", self.rush.pictures - self.rush.complete, 0
            )
        )
        bars.append(
            Threshold("slowest sender's time over the middle one's", self.rush.slowest / self.rush.median, STARVED)
        )
        for one in self.overtaking:
            bars.append(Threshold(f"urgent text, {one.link}, s", one.ours.urgent, one.bound))
            bars.append(Threshold(f"all, {one.link}, over a plain sender's", one.whole_ratio, WHOLE_RATIO))
        return tuple(bars)


def measure_wire(*, full: bool = False, links: Sequence[str] = (), progress: Progress = lambda *_: None) -> WireReport:
    """Measure everything: in about a minute, or with `full` in about five.

    Args:
        full: 100 kB of detail instead of 12 kB, and an hour of each link instead of ten minutes.
        links: the names of the links to measure; all slow links by default.
        progress: called before every step.
    """
    progress("packets", 0, 1)
    packets = measure_packets()
    greeting = asyncio.run(count_greeting())
    idle = asyncio.run(measure_idle(progress=progress)) if Path("/proc/self/statm").exists() else None
    rush = asyncio.run(measure_rush(progress=progress))
    missing = kernel_missing()
    kinds = (False,) if missing else (False, True)
    detail = FULL_DETAIL if full else QUICK_DETAIL
    progress("urgent text", 0, 1)
    overtaking = asyncio.run(_all(detail, kinds))
    watched = []
    chosen = list(links) or [name for name, link in LINKS.items() if link.rate]
    for place, name in enumerate(chosen):
        progress(f"link {name}", place, len(chosen))
        watched.append(run_virtual(soak(LINKS[name], seconds=FULL_SECONDS if full else QUICK_SECONDS)))
    return WireReport(
        packets=packets,
        greeting=greeting,
        idle=idle,
        rush=rush,
        overtaking=tuple(overtaking),
        kernel_missing=missing,
        links=tuple(watched),
    )


async def _all(detail: int, kinds: Sequence[bool]) -> list[OvertakingReport]:
    return await asyncio.gather(*(measure_overtaking(queued=detail, kernel=kernel) for kernel in kinds))
