"""`layercast watch`: sends the pictures that appear in a folder or are uploaded over HTTP."""

import argparse
from pathlib import Path

from layercast.commands.options.defaults import receiver_of
from layercast.commands.options.encoding import add_encoding
from layercast.commands.options.identity import add_identity
from layercast.commands.options.parser import Subparsers, add_command
from layercast.commands.options.peer import ADDRESSES, add_connecting, add_link
from layercast.commands.options.token import add_token
from layercast_common.errors import UsageError

#: Default name of the outbox in a watched folder; hidden, so that it is not taken for a file to send.
OUTBOX_NAME = ".layercast.outbox"


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the subcommand."""
    parser = add_command(
        subparsers,
        "watch",
        "Send every picture that appears in a folder or is uploaded over HTTP; resume after broken links and restarts",
        "layercast watch camera/ --to ws://192.0.2.7:8765 --done sent/\n"
        "  layercast watch --http 127.0.0.1:8090 --outbox pictures.outbox --to wss://show.example:8765\n"
        "  curl --data-binary @photo.jpg http://127.0.0.1:8090/images",
    )
    parser.add_argument("folder", nargs="?", type=Path, metavar="DIR", help="the folder to watch")
    parser.add_argument("--to", metavar="URL", help="the receiver, such as ws://127.0.0.1:8765")
    add_token(parser, "token that the receiver asks for")
    add_identity(parser)
    parser.add_argument(
        "--outbox",
        type=Path,
        metavar="FILE",
        help=f"file that keeps pictures until the receiver has them (default: {OUTBOX_NAME} in the folder)",
    )
    parser.add_argument("--done", type=Path, metavar="DIR", help="move files here once they are in the outbox")
    parser.add_argument("--failed", type=Path, metavar="DIR", help="move files here that cannot be encoded")
    parser.add_argument(
        "--lifetime", type=float, metavar="SECONDS", help="drop pictures that are not delivered after this time"
    )
    group = parser.add_argument_group("HTTP")
    group.add_argument(
        "--http", metavar="HOST:PORT", help="accept pictures here: POST /images; also /healthz and /metrics"
    )
    add_token(parser, "token that HTTP clients need", name="http-token")
    group.add_argument(
        "--http-name",
        action="append",
        default=[],
        metavar="NAME",
        help="host name of the HTTP server besides localhost and IP addresses; may be repeated",
    )
    group.add_argument(
        "--max-upload", type=int, default=32, metavar="MIB", help="the largest upload (default: %(default)s)"
    )
    group.add_argument("--certificate", type=Path, metavar="PEM", help="serve https with this certificate")
    group.add_argument("--key", type=Path, metavar="PEM", help="its key, unless it is in the same file")
    add_connecting(parser)
    add_link(parser)
    add_encoding(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object per update on stdout")
    parser.epilog = f"{ADDRESSES}\n\n{parser.epilog}"
    return parser


def run(options: argparse.Namespace) -> None:
    """Store and deliver pictures until Ctrl-C or SIGTERM."""
    options.to = receiver_of(options.to)
    if options.folder is None and options.http is None:
        raise UsageError("name a folder to watch, or an address for uploads: --http 127.0.0.1:8090")
    if options.outbox is None:
        if options.folder is None:
            raise UsageError("name an --outbox FILE that keeps the pictures until they are delivered")
        options.outbox = options.folder / OUTBOX_NAME
    if options.lifetime is not None and not 0 < options.lifetime < float("inf"):
        raise UsageError(f"a lifetime is a positive number of seconds, not {options.lifetime:g}")

    from layercast.commands.services.watch import watch

    watch(options)
