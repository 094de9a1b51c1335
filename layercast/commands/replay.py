"""`layercast replay`: shows recorded arrivals on the page, or writes one as a single file."""

import argparse
from pathlib import Path

from layercast.commands.options.parser import Subparsers, add_command, add_json
from layercast.commands.options.peer import add_link
from layercast.commands.options.rendering import add_rendering, tuning_of
from layercast_common.errors import UsageError

#: The link of a stream whose arrival was not recorded: 2,400 bit/s with a delay of almost one second.
DEFAULT_LINK = "iridium"

#: Kinds of files that `--output` writes, by suffix.
KINDS = (".html", ".webp", ".arrival")


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the subcommand."""
    parser = add_command(
        subparsers,
        "replay",
        "Show recorded arrivals on the page, or write one as a single file: HTML with a slider, or animated WebP",
        "layercast replay pictures/ --speed 4\n"
        "  layercast replay photo.lcast --link gsm\n"
        "  layercast replay photo.lcast --original photo.jpg -o photo.html",
    )
    parser.add_argument(
        "paths",
        nargs="+",
        type=Path,
        metavar="FILE|ARCHIVE",
        help="recorded arrivals (.arrival), streams (.lcast; drawn first), or the archive of a receiver",
    )
    parser.add_argument("--speed", type=float, default=1.0, metavar="X", help="times faster (default: %(default)g)")
    parser.add_argument(
        "--viewer", default="127.0.0.1:8080", metavar="HOST:PORT", help="address of the page (default: %(default)s)"
    )
    parser.add_argument("--open", action="store_true", help="open the page in a browser")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="write one arrival instead of showing it: .html, .webp (animated) or .arrival",
    )
    parser.add_argument(
        "--original", type=Path, metavar="PATH", help="the original of a stream, to compare the picture with"
    )
    add_link(parser, DEFAULT_LINK)
    add_rendering(parser)
    add_json(parser)
    return parser


def run(options: argparse.Namespace) -> None:
    """Show the arrivals until Ctrl-C, or write one."""

    from layercast.commands.services.replay import ReplayConfig, export, show
    from layercast.signals import run_loop, run_until_terminated
    from protocol.link_profiles import parse_link

    if not 0 < options.speed <= 1000:
        raise UsageError(f"a speed is above 0 and at most 1000, not {options.speed:g}")
    if options.output is not None and options.output.suffix not in KINDS:
        raise UsageError(f"{options.output}: the name ends in {', '.join(KINDS)}")
    link = parse_link(options.link, options.rate)
    assert link is not None
    config = ReplayConfig(
        paths=tuple(options.paths),
        speed=options.speed,
        original=options.original,
        link=link,
        model=options.model or "mini",
        device=options.device,
        performance=options.performance,
        tuning=tuning_of(options),
        steps=options.steps,
        quiet=options.quiet or options.json,
    )
    if options.output is None:
        run_loop(run_until_terminated(show(config, options.viewer, open_browser=options.open, json=options.json)))
    else:
        export(config, options.output, json=options.json)
