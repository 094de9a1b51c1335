"""`layercast watch`: whatever appears in a folder, or is posted over HTTP, is sent."""

import argparse
from pathlib import Path

from layercast.commands.options.common import Subparsers, add_command, add_encoding, add_link
from layercast.commands.options.identity import add_identity
from layercast.commands.options.peer import ADDRESSES, add_dialling
from layercast.commands.options.token import add_token
from layercast_common.errors import UsageError

#: Where the outbox of a watched folder is, unless an option tells; hidden, so that it is not itself a file to send.
OUTBOX_NAME = ".layercast.outbox"


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """The subcommand's arguments."""
    parser = add_command(
        subparsers,
        "watch",
        "Send every picture that appears in a folder or is posted over HTTP, through broken links and restarts",
        "layercast watch camera/ --to ws://192.0.2.7:8765 --done sent/\n"
        "  layercast watch --http 127.0.0.1:8090 --outbox pictures.outbox --to wss://show.example:8765\n"
        "  curl --data-binary @photo.jpg http://127.0.0.1:8090/images",
    )
    parser.add_argument("folder", nargs="?", type=Path, metavar="DIR", help="the folder to watch")
    parser.add_argument("--to", required=True, metavar="URL", help="the receiver, such as ws://127.0.0.1:8765")
    add_token(parser, "what the receiver wants to hear")
    add_identity(parser)
    parser.add_argument(
        "--outbox",
        type=Path,
        metavar="FILE",
        help=f"where pictures are kept until the receiver has them (default: {OUTBOX_NAME} in the folder)",
    )
    parser.add_argument("--done", type=Path, metavar="DIR", help="move files here once they are in the outbox")
    parser.add_argument("--failed", type=Path, metavar="DIR", help="move files here that are no pictures after all")
    parser.add_argument(
        "--lifetime", type=float, metavar="SECONDS", help="what is not sent after this long is not sent at all"
    )
    group = parser.add_argument_group("HTTP")
    group.add_argument("--http", metavar="HOST:PORT", help="take pictures here: POST /images; /healthz, /metrics")
    add_token(parser, "what those who post must show", name="http-token")
    group.add_argument(
        "--http-name", action="append", default=[], metavar="NAME", help="a name that it goes by; may be repeated"
    )
    group.add_argument(
        "--max-upload", type=int, default=32, metavar="MIB", help="the largest picture to take (default: %(default)s)"
    )
    group.add_argument("--certificate", type=Path, metavar="PEM", help="serve https with this certificate")
    group.add_argument("--key", type=Path, metavar="PEM", help="its key, unless it is in the same file")
    add_dialling(parser)
    add_link(parser)
    add_encoding(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object per news on stdout")
    parser.epilog = f"{ADDRESSES}\n\n{parser.epilog}"
    return parser


def run(options: argparse.Namespace) -> None:
    """Watch until Ctrl-C or SIGTERM."""
    if options.folder is None and options.http is None:
        raise UsageError("name a folder to watch, or an address to take pictures at: --http 127.0.0.1:8090")
    if options.outbox is None:
        if options.folder is None:
            raise UsageError("name an --outbox FILE to keep the pictures in until they are sent")
        options.outbox = options.folder / OUTBOX_NAME
    if options.lifetime is not None and not 0 < options.lifetime < float("inf"):
        raise UsageError(f"a lifetime is a positive number of seconds, not {options.lifetime:g}")

    from layercast.commands.services.watch_outbox import watch

    watch(options)
