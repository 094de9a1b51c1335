"""All figures of the wire in one run."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.thresholds import Threshold
from evaluation.virtual_time import run_virtual
from evaluation.wire.greeting import count_greeting
from evaluation.wire.many_senders import IDLE_BYTES, STARVED, IdleReport, RushReport, measure_idle, measure_rush
from evaluation.wire.overtaking import OvertakingReport, kernel_missing, measure_overtaking
from evaluation.wire.packets import DATA_OVERHEAD_BAR, GREETING_BAR, SPEED_BAR, PacketFigures, measure_packets
from evaluation.wire.soak import SoakReport, soak
from protocol.link_profiles import LINKS

#: Bytes of detail that wait before the urgent text, in a full and in a quick run.
FULL_DETAIL, QUICK_DETAIL = 100_000, 12_000

#: How long each link is watched, in virtual seconds, in a full and in a quick run.
FULL_SECONDS, QUICK_SECONDS = 3600.0, 600.0

#: How much longer everything together may take than for a plain sender: what clocks and the last round trip differ by.
WHOLE_RATIO = 1.02

#: Told what is being measured, how far it is, and of how much.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class WireReport:
    """What was measured.

    Attributes:
        packets: bytes and time of packets.
        greeting: bytes of a greeting that were counted on a socket.
        idle: memory of idle sessions; None where memory cannot be read.
        rush: many senders at once.
        overtaking: urgent text behind detail, over each kind of link.
        kernel_missing: why there was no link of network interfaces; None if there was one.
        links: what arrives when over each link, in virtual time.
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
        """The figures that something is promised of."""
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
    """Measure everything: in about a minute, or in full in about five.

    Args:
        full: 100 kB of detail behind an urgent text instead of 12 kB, and an hour of each link instead of ten minutes.
        links: the links to watch, by name; all that are slow by default.
        progress: told of every step.
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
