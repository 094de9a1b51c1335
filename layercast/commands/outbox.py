"""`layercast outbox`: what waits to be sent, what was sent, and what was not."""

import argparse
import time
from pathlib import Path

from layercast.commands.options.common import Subparsers, add_command, add_json
from layercast.console import report, say, show_table


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """The subcommand's arguments."""
    parser = add_command(
        subparsers,
        "outbox",
        "Look into an outbox: what waits, what was delivered, what failed and why",
        "layercast outbox pictures.outbox\n  layercast outbox pictures.outbox --retry",
    )
    parser.add_argument("outbox", type=Path, metavar="FILE", help="as given to send --outbox; it may be in use")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--retry", action="store_true", help="queue again what failed or expired")
    action.add_argument("--forget", action="store_true", help="forget what is finished")
    add_json(parser)
    return parser


def run(options: argparse.Namespace) -> None:
    """Show or change the outbox."""
    from layercast.commands.services.send_outbox import entry_row
    from sender.outbox.outbox import Outbox
    from sender.outbox.reader import look_into

    if options.retry or options.forget:
        look_into(options.outbox)
        with Outbox(options.outbox) as outbox:
            count = outbox.retry() if options.retry else outbox.forget()
        if not options.json:
            say(f"{count} {'queued again' if options.retry else 'forgotten'}", quiet=options.quiet)
    entries = look_into(options.outbox)
    if options.json:
        report({"outbox": str(options.outbox), "pictures": [entry_row(entry) for entry in entries]})
        return
    rows = [
        (
            entry.name,
            str(entry.image),
            entry.state.value,
            str(entry.size),
            str(entry.attempts),
            _age(time.time() - entry.accepted_at),
            entry.reason or "",
        )
        for entry in entries
    ]
    show_table(("picture", "number", "state", "bytes", "attempts", "accepted", "why"), rows)


def _age(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit} ago"
    return f"{max(0.0, seconds):.0f} s ago"
