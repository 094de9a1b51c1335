"""`layercast bench priority`: whether a new picture overtakes bytes that are queued."""

import argparse
from dataclasses import asdict

from layercast.commands.options.parser import Subparsers, add_command, add_json
from layercast.console import report, show_line


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the subject."""
    parser = add_command(
        subparsers,
        "priority",
        "Measure how soon the text of a new picture arrives behind queued detail, on an emulated link",
        "layercast bench priority --link iridium --json",
    )
    parser.add_argument("--link", default="iridium", metavar="PROFILE", help="link to emulate (default: %(default)s)")
    parser.add_argument("--rate", type=float, metavar="BPS", help="rate in bit/s instead of the link's own")
    parser.add_argument(
        "--queued", type=int, default=6000, metavar="N", help="bytes of detail that wait (default: %(default)s)"
    )
    parser.add_argument(
        "--pictures", type=int, default=3, metavar="N", help="new pictures to time (default: %(default)s)"
    )
    parser.add_argument(
        "--bound", type=float, default=1.5, metavar="S", help="longest time allowed, in seconds (default: %(default)s)"
    )
    parser.add_argument(
        "--virtual", action="store_true", help="a link in memory and virtual time instead of sockets in real time"
    )
    add_json(parser)
    return parser


def run(options: argparse.Namespace) -> None:
    """Measure, and report.

    Raises:
        LayercastError: the link does not exist, or the bound does not hold.
    """
    import asyncio

    from evaluation.virtual_time import run_virtual
    from evaluation.wire.priority import describe_priority, measure_priority
    from layercast_common.errors import LayercastError
    from protocol.link_profiles import parse_link

    link = parse_link(options.link, options.rate)
    assert link is not None
    measuring = measure_priority(
        link, queued=options.queued, pictures=options.pictures, bound=options.bound, virtual=options.virtual
    )
    measured = run_virtual(measuring) if options.virtual else asyncio.run(measuring)
    if options.json:
        report(asdict(measured) | {"holds": measured.holds})
    else:
        show_line(describe_priority(measured))
    if not measured.holds:
        raise LayercastError(f"a text took {measured.worst_seconds:.2f} s; {options.bound:g} s are allowed")
