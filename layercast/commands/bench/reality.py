"""`layercast bench reality`: the simulation beside real sockets."""

import argparse
from dataclasses import asdict
from pathlib import Path

from layercast.commands.options.parser import Subparsers, add_command, add_json
from layercast.console import report, say, show_line, show_table


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the subject."""
    parser = add_command(
        subparsers,
        "reality",
        "Compare simulated arrival times with those over real sockets, and over network interfaces for root",
        "layercast bench reality --link iridium --link gsm --json",
    )
    parser.add_argument("images", nargs="*", type=Path, metavar="IMAGE", help="pictures (default: three drawn ones)")
    parser.add_argument(
        "--link",
        action="append",
        default=[],
        metavar="PROFILE",
        help="measure this link; may be repeated (default: iridium, gsm and nb-iot)",
    )
    add_json(parser)
    return parser


def run(options: argparse.Namespace) -> None:
    """Compare, and report.

    Raises:
        LayercastError: a link does not exist or cannot be set up, or an arrival differs by more than 50 ms and 5 %.
    """
    from evaluation.simulation.reality import DEFAULT_LINKS, compare_with_reality
    from layercast_common.errors import LayercastError
    from protocol.link_profiles import parse_link

    for link in options.link:
        parse_link(link)
    say("this takes two minutes", quiet=options.quiet)
    measured = compare_with_reality(options.link or DEFAULT_LINKS, options.images)
    arrivals = [asdict(one) | {"agrees": one.agrees} for one in measured.arrivals]
    differ = sum(not one.agrees for one in measured.arrivals)
    if options.json:
        report({**asdict(measured), "arrivals": arrivals, "agreed": measured.agreed})
    else:
        show_table(
            ("way", "link", "picture", "layer", "simulated, s", "real, s", ""),
            [
                [
                    one.way,
                    one.link,
                    str(one.picture),
                    str(one.layer),
                    f"{one.simulated:.3f}",
                    f"{one.real:.3f}",
                    "" if one.agrees else "differs",
                ]
                for one in measured.arrivals
            ],
        )
        show_line(f"{len(arrivals) - differ} of {len(arrivals)} arrivals agree")
        show_line(f"95 % of this machine's timers are late by at most {1000 * measured.late_s:.0f} ms")
        if measured.interfaces_missing is not None:
            show_line(f"without network interfaces: {measured.interfaces_missing}")
        elif measured.netem_missing is not None:
            show_line(f"delayed by a process, because the kernel has no netem: {measured.netem_missing}")
    if differ:
        raise LayercastError(f"{differ} of {len(arrivals)} arrivals differ by more than 50 ms and 5 %")
