"""`layercast bench soak`: hours of pictures over lossy links, in virtual time."""

import argparse
from dataclasses import asdict, replace

from layercast.commands.options.parser import Subparsers, add_command, add_json
from layercast.console import report, show_line


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the subject."""
    parser = add_command(
        subparsers,
        "soak",
        "Send pictures over emulated links for hours of virtual time, and check that all arrive and nothing grows",
        "layercast bench soak --link iridium --loss 0.1 --json",
    )
    parser.add_argument("--link", default="all", metavar="PROFILE", help="link to emulate, or all (default: all)")
    parser.add_argument(
        "--hours", type=float, default=1.0, metavar="N", help="hours of virtual time (default: %(default)s)"
    )
    parser.add_argument(
        "--loss",
        type=float,
        default=0.05,
        metavar="X",
        help="share of packets lost each way, 0 to below 1 (default: %(default)s)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="when pictures come and what is lost (default: %(default)s)"
    )
    add_json(parser)
    return parser


def run(options: argparse.Namespace) -> None:
    """Measure each link, and report.

    Raises:
        LayercastError: a link does not exist, a picture did not arrive, or something grew.
    """
    from evaluation.virtual_time import run_virtual
    from evaluation.wire.soak import describe_soak, soak
    from layercast_common.errors import LayercastError
    from protocol.link_profiles import LINKS, parse_link

    reports = []
    for name in sorted(LINKS) if options.link == "all" else [options.link]:
        link = parse_link(name)
        assert link is not None
        link = replace(link, loss=options.loss)
        reports.append(run_virtual(soak(link, seconds=3600 * options.hours, seed=options.seed)))
        if not options.json:
            show_line(describe_soak(reports[-1]))
    if options.json:
        report({"links": [asdict(one) | {"holds": one.holds} for one in reports]})
    if failed := [one.link for one in reports if not one.holds]:
        raise LayercastError(f"pictures did not arrive, or something grew, over {', '.join(failed)}")
