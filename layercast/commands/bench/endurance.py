"""`layercast bench endurance`: a receiver in real time, and whether its memory stays flat."""

import argparse
from dataclasses import asdict

from layercast.commands.options.parser import Subparsers, add_command, add_json
from layercast.console import report, show_line


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the subject."""
    parser = add_command(
        subparsers,
        "endurance",
        "Run a receiver for hours of real time, send it pictures, and check that its memory stays flat",
        "layercast bench endurance --minutes 120 --json > curve.json",
    )
    parser.add_argument(
        "--minutes", type=float, default=120.0, metavar="N", help="duration in real minutes (default: %(default)s)"
    )
    parser.add_argument(
        "--every", type=float, default=5.0, metavar="S", help="seconds between two pictures (default: %(default)s)"
    )
    add_json(parser)
    return parser


def run(options: argparse.Namespace) -> None:
    """Run the receiver, and report.

    Raises:
        LayercastError: the receiver does not start or ends, or its memory grows.
    """
    import asyncio

    from evaluation.wire.endurance import describe_endurance, endure
    from layercast_common.errors import LayercastError

    measured = asyncio.run(endure(60 * options.minutes, options.every, show=not options.quiet))
    if options.json:
        report(asdict(measured))
    else:
        show_line(describe_endurance(measured))
    if not measured.flat:
        raise LayercastError(f"the memory of the receiver grew by {measured.mb_per_hour:+.1f} MB per hour")
