"""`layercast outbox`: shows and changes the pictures of an outbox."""

import argparse
import time
from pathlib import Path

from layercast.commands.options.parser import Subparsers, add_command, add_json
from layercast.console import report, say, show_table


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the subcommand."""
    parser = add_command(
        subparsers,
        "outbox",
        "Show the pictures of an outbox: pending, delivered, failed and why",
        "layercast outbox pictures.outbox\n  layercast outbox pictures.outbox --retry",
    )
    parser.add_argument(
        "outbox", type=Path, metavar="FILE", help="the file given to send --outbox or watch --outbox; it may be in use"
    )
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--retry", action="store_true", help="queue failed and expired pictures again")
    action.add_argument("--forget", action="store_true", help="remove finished pictures from the list")
    add_json(parser)
    return parser


def run(options: argparse.Namespace) -> None:
    """Show or change the outbox."""
    from layercast.commands.services.outbox_rows import entry_row
    from sender.outbox.outbox import Outbox
    from sender.outbox.reader import read_outbox

    if options.retry or options.forget:
        read_outbox(options.outbox)
        with Outbox(options.outbox) as outbox:
            count = outbox.retry() if options.retry else outbox.forget()
        if not options.json:
            say(f"{count} {'queued again' if options.retry else 'removed'}", quiet=options.quiet)
    entries = read_outbox(options.outbox)
    if options.json:
        report({"outbox": str(options.outbox), "pictures": [entry_row(entry) for entry in entries]})
        return
    rows = [
        (
            entry.name,
            str(entry.picture_id),
            entry.state.value,
            str(entry.size),
            str(entry.attempts),
            _age(time.time() - entry.accepted_at),
            entry.reason or "",
        )
        for entry in entries
    ]
    show_table(("picture", "number", "state", "bytes", "attempts", "accepted", "reason"), rows)


def _age(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit} ago"
    return f"{max(0.0, seconds):.0f} s ago"
