"""`layercast demo`: sender, slow link, receiver and viewer on one machine."""

import argparse
from pathlib import Path

from layercast.commands.options.parser import Subparsers, add_command, add_json
from layercast.commands.options.peer import add_link
from layercast.commands.options.rendering import add_rendering, tuning_of
from layercast.commands.options.steering import add_allow, allowed_of
from layercast.commands.options.values import host_and_port, is_loopback
from layercast.console import report, say
from layercast_common.errors import UsageError

#: 2,400 bit/s with a delay of almost one second.
DEFAULT_LINK = "iridium"

#: What the demo's page may be allowed to do.
DEMO_CONTROLS = ("redraw", "link", "send")


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the subcommand."""
    parser = add_command(
        subparsers,
        "demo",
        "Watch pictures arrive layer by layer: sender, slow link, receiver and viewer on this machine",
        "layercast demo --image photo.jpg --link gsm\n  layercast demo --headless --out out/ --json",
    )
    parser.add_argument(
        "--image", type=Path, metavar="PATH", help="your picture (default: the samples, one after the other)"
    )
    parser.add_argument(
        "--prompt", metavar="TEXT", help="description of the picture (default: from a file beside it, or its metadata)"
    )
    parser.add_argument(
        "--viewer", default="127.0.0.1:8080", metavar="HOST:PORT", help="address of the page (default: %(default)s)"
    )
    parser.add_argument("--open", action="store_true", help="open the page in a browser")
    parser.add_argument(
        "--headless", action="store_true", help="send one picture without the page, and write files to --out"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="with --headless: folder for the pictures and the contact sheet"
    )
    add_allow(parser, DEMO_CONTROLS, "all on this machine only, none at other addresses")
    add_link(parser, DEFAULT_LINK)
    add_rendering(parser)
    add_json(parser)
    return parser


def run(options: argparse.Namespace) -> None:
    """Run the demo, with or without the page."""
    from layercast.commands.services.demonstration.config import DemoConfig
    from layercast.signals import run_async, run_loop, run_until_terminated
    from layercast_common.free_memory import share_heaps
    from protocol.link_profiles import parse_link

    share_heaps()
    if options.headless != (options.out is not None):
        raise UsageError("--headless and --out DIR go together")
    link = parse_link(options.link, options.rate)
    assert link is not None
    own = frozenset(DEMO_CONTROLS) if is_loopback(host_and_port(options.viewer)[0]) else frozenset[str]()
    config = DemoConfig(
        link=link,
        image=options.image,
        prompt=options.prompt,
        model=options.model or "mini",
        device=options.device,
        performance=options.performance,
        tuning=tuning_of(options),
        steps=options.steps,
        allow=allowed_of(options, own),
        quiet=options.quiet or options.json,
    )
    if not options.headless:
        from layercast.commands.services.demonstration.page import show

        run_loop(run_until_terminated(show(config, options.viewer, open_browser=options.open)))
        return
    from layercast.commands.services.demonstration.run import run_headless

    outcome = run_async(run_headless(config, options.out))
    if options.json:
        report(outcome)
    else:
        say(f"written: {', '.join([*outcome['levels'].values(), outcome['sheet']])}", quiet=options.quiet)
