"""`layercast send`: pictures or streams -> a receiver."""

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layercast.commands.options.common import Subparsers, add_command, add_encoding, add_json, add_link, recipe_of
from layercast.commands.options.identity import add_identity, stream_of
from layercast.commands.options.peer import ADDRESSES, add_dialling, shared_key_of, trust_of
from layercast.commands.options.token import add_token, token_of
from layercast.console import progress, report, say
from layercast_common.errors import UsageError

if TYPE_CHECKING:
    from codec.container.bitstream import Bitstream
    from sender.connection.delivery import Delivery
    from sender.sources.files import Item


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """The subcommand's arguments."""
    parser = add_command(
        subparsers,
        "send",
        "Send pictures or streams to a receiver, the most needed layers first",
        "layercast send photo.jpg --to ws://127.0.0.1:8765 --link iridium",
    )
    parser.add_argument(
        "paths", nargs="*", type=Path, metavar="PATH", help="pictures, .lcast files, or folders of them"
    )
    parser.add_argument("--to", required=True, metavar="URL", help="the receiver, such as ws://127.0.0.1:8765")
    add_token(parser, "what the receiver wants to hear")
    add_identity(parser)
    parser.add_argument(
        "--outbox",
        type=Path,
        metavar="FILE",
        help="keep what is to be sent in this file until the receiver has it: through broken links, restarts and "
        "crashes; without PATH, send what it holds",
    )
    parser.add_argument("--loop", action="store_true", help="begin again after the last picture, until Ctrl-C")
    add_dialling(parser)
    add_link(parser)
    add_encoding(parser)
    add_json(parser)
    parser.epilog = f"{ADDRESSES}\n\n{parser.epilog}"
    return parser


def run(options: argparse.Namespace) -> None:
    """Send everything, then report."""
    import asyncio

    from layercast.signals import run_until_terminated

    if options.outbox is not None:
        from layercast.commands.services.send_outbox import send_by_outbox

        send_by_outbox(options)
        return
    if not options.paths:
        raise UsageError("name a picture, an .lcast file or a folder; without one there is only what an --outbox holds")
    sending = _send_all(options)
    asyncio.run(run_until_terminated(sending) if options.loop else sending)


async def _send_all(options: argparse.Namespace) -> None:
    import asyncio

    from protocol.link_profiles import parse_link
    from sender.connection.sender import Sender
    from sender.sources.files import find_items

    items = list(find_items(options.paths))
    recipe = recipe_of(options)
    link = parse_link(options.link, options.rate)
    rows = []
    async with Sender(
        options.to,
        token=token_of(options),
        link=link,
        order=options.order,
        ssl=trust_of(options),
        ice_servers=options.ice_server,
        shared_key=shared_key_of(options),
        stream=stream_of(options),
    ) as sender:
        while True:
            for item in items:
                stream, jpeg_size = await asyncio.to_thread(item.load, recipe)
                delivery = await _send_one(sender, item, stream, jpeg_size, quiet=options.quiet)
                rows.append(_row(item, stream, delivery))
                if not options.json:
                    _tell(rows[-1], quiet=options.quiet)
            if not options.loop:
                break
            # Without an end there is nothing to report, and the rows would grow for ever.
            rows.clear()
    if options.json:
        report({"pictures": rows})


async def _send_one(sender: Any, item: "Item", stream: "Bitstream", jpeg_size: int, *, quiet: bool) -> "Delivery":
    with progress(quiet=quiet) as bars:
        task = bars.add_task(item.path.name, total=len(stream.sections), note="")

        def advance(step: Any) -> None:
            bars.update(task, completed=step.done, note=f"{step.seconds:.1f} s")

        delivery: Delivery = await sender.send(stream, jpeg_size=jpeg_size, on_progress=advance)
    return delivery


def _row(item: "Item", stream: "Bitstream", delivery: "Delivery") -> dict[str, Any]:
    from codec.layers import Layer
    from layercast.reports import layer_name

    return {
        "file": str(item.path),
        "bytes": len(stream.to_bytes()),
        "sent": delivery.sent,
        "packets": delivery.packets,
        "complete": delivery.complete,
        "seconds": delivery.seconds,
        "layers": [
            dataclasses.asdict(section) | {"layer": layer_name(Layer(section.layer))} for section in delivery.sections
        ],
    }


def _tell(row: dict[str, Any], *, quiet: bool) -> None:
    times = ", ".join(
        f"{layer['layer']} {layer['acknowledged']:.2f} s"
        for layer in row["layers"]
        if layer["acknowledged"] is not None
    )
    say(
        f"{row['file']}: {row['bytes']} bytes as {row['packets']} packets of {row['sent']} bytes; arrived: {times}",
        quiet=quiet,
    )
