"""`layercast bench protocol`: bytes, time, memory and priorities of the protocol."""

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from layercast.commands.options.parser import Subparsers, add_command, add_json
from layercast.console import progress, report, show_line, show_table, show_thresholds

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from evaluation.wire.report import WireReport


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the subject."""
    parser = add_command(
        subparsers,
        "protocol",
        "Measure the overhead of the protocol, and how urgent text overtakes detail, beside a plain FIFO sender",
        "layercast bench protocol --full --json",
    )
    parser.add_argument(
        "--full",
        action="store_true",
        help="100 kB of detail before the urgent text instead of 12, and an hour of each link instead of ten minutes",
    )
    parser.add_argument(
        "--link", action="append", default=[], metavar="PROFILE", help="measure only this link; may be repeated"
    )
    add_json(parser)
    return parser


def run(options: argparse.Namespace) -> None:
    """Measure everything, and report."""
    from evaluation.wire.report import measure_wire
    from protocol.link_profiles import parse_link

    for link in options.link:
        parse_link(link)
    with progress(quiet=options.quiet) as bars:
        measured = measure_wire(full=options.full, links=options.link, progress=_Tracker(bars))
    if options.json:
        report(asdict(measured) | {"bars": [asdict(bar) | {"met": bar.met} for bar in measured.bars]})
        return
    _show(measured)


class _Tracker:
    """Shows the progress of each part."""

    def __init__(self, bars: "Progress") -> None:
        self._bars = bars
        self._task: TaskID | None = None
        self._about = ""

    def __call__(self, about: str, done: int, total: int) -> None:
        if about != self._about or self._task is None:
            if self._task is not None:
                self._bars.remove_task(self._task)
            self._about = about
            self._task = self._bars.add_task(about, total=total, note="")
        self._bars.update(self._task, completed=done, note=f"{done}/{total}")


def _show(measured: "WireReport") -> None:
    packets = measured.packets
    show_table(
        ("packets", "framing", "with a key", "handshake", "per second", "with a key", "msgspec only", "ratio"),
        [
            [
                "",
                f"{packets.data_overhead} B",
                f"{packets.keyed_overhead} B",
                f"{measured.greeting} B",
                f"{packets.packets_per_second:,.0f}",
                f"{packets.keyed_per_second:,.0f}",
                f"{packets.msgspec_per_second:,.0f}",
                f"{packets.ratio:.1f}",
            ]
        ],
    )
    show_line("")
    rows = []
    if measured.idle is not None:
        rows.append([f"{measured.idle.sessions:,} idle", f"{measured.idle.bytes_each / 1024:.1f} KiB each", "", "", ""])
    rush = measured.rush
    arrived = f"{rush.complete} of {rush.pictures} pictures"
    rows.append([f"{rush.sessions} sending", "", arrived, f"{rush.median:.2f} s", f"{rush.slowest:.2f} s"])
    show_table(("concurrent sessions", "memory", "arrived", "median", "slowest"), rows)
    show_line("")
    show_table(
        (
            "urgent text behind detail",
            "detail",
            "text, s",
            "bound",
            "plain sender",
            "all, s",
            "plain sender",
            "ratio",
        ),
        [
            [
                one.link,
                f"{one.queued} B",
                f"{one.ours.urgent:.2f}",
                f"{one.bound:.2f}",
                f"{one.fifo.urgent:.2f}",
                f"{one.ours.whole:.1f}",
                f"{one.fifo.whole:.1f}",
                f"{one.whole_ratio:.3f}",
            ]
            for one in measured.overtaking
        ],
    )
    if measured.kernel_missing is not None:
        show_line(f"not measured over network interfaces: {measured.kernel_missing}")
    show_line("")
    show_table(
        ("links in virtual time, median / 95 %, s", "loss", "pictures", "text", "base", "all"),
        [
            [
                one.link,
                f"{one.loss:.0%}",
                f"{one.complete} of {one.offered}",
                *(f"{late.median:.2f} / {late.p95:.2f}" for late in (one.text, one.base, one.whole)),
            ]
            for one in measured.links
        ],
    )
    show_line("")
    show_thresholds(measured.bars)
