"""`layercast send`: sends pictures or streams to a receiver."""

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layercast.commands.options.defaults import receiver_of
from layercast.commands.options.encoding import add_encoding, encoding_of
from layercast.commands.options.identity import add_identity, stream_id_of
from layercast.commands.options.parser import Subparsers, add_command, add_json
from layercast.commands.options.peer import ADDRESSES, add_connecting, add_link
from layercast.commands.options.token import add_token
from layercast.console import progress, report, say
from layercast_common.errors import UsageError

#: How often --loop looks for pictures in empty folders, in seconds.
EMPTY_CHECK_SECONDS = 2.0

if TYPE_CHECKING:
    from codec.container.bitstream import Bitstream
    from sender.connection.delivery import Delivery, Progress
    from sender.connection.options import SenderIdentity
    from sender.connection.sender import Sender
    from sender.sources.files import Item


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the subcommand."""
    parser = add_command(
        subparsers,
        "send",
        "Send pictures or streams to a receiver, the most important layers first",
        "layercast send photo.jpg --to ws://127.0.0.1:8765 --link iridium",
    )
    parser.add_argument(
        "paths", nargs="*", type=Path, metavar="PATH", help="pictures, .lcast files, or folders of them"
    )
    parser.add_argument("--to", metavar="URL", help="the receiver, such as ws://127.0.0.1:8765")
    add_token(parser, "token that the receiver asks for")
    add_identity(parser)
    parser.add_argument(
        "--outbox",
        type=Path,
        metavar="FILE",
        help="keep pictures in this file until the receiver has them, through broken links, restarts and crashes; "
        "without PATH, send the pictures in it",
    )
    parser.add_argument(
        "--with-original",
        metavar="URL",
        help="give the page at this address a copy of each picture to compare with: over HTTP, not over the link, and "
        "in no byte count; the receiver allows it with --allow original",
    )
    parser.add_argument("--loop", action="store_true", help="start again after the last picture, until Ctrl-C")
    add_connecting(parser)
    add_link(parser)
    add_encoding(parser)
    add_json(parser)
    parser.epilog = f"{ADDRESSES}\n\n{parser.epilog}"
    return parser


def run(options: argparse.Namespace) -> int | None:
    """Send all pictures, then report. Return the exit code if a file could not be sent."""

    from layercast.signals import run_async, run_loop, run_until_terminated

    options.to = receiver_of(options.to)
    if options.with_original is not None:
        from layercast.commands.services.original import check_page

        options.with_original = check_page(options.with_original)
    if options.outbox is not None:
        if options.with_original:
            raise UsageError("--with-original and --outbox exclude each other: an outbox delivers later")
        from layercast.commands.services.send_outbox import send_through_outbox

        return send_through_outbox(options)
    if not options.paths:
        raise UsageError("name a picture, an .lcast file or a folder; only with --outbox may PATH be left out")
    sending = _send_all(options)
    if options.loop:
        run_loop(run_until_terminated(sending))
        return None
    return run_async(sending)


async def _send_all(options: argparse.Namespace) -> int | None:
    from functools import partial

    from layercast.batch import BatchFailures
    from layercast.commands.services.sender_factory import sender_factory
    from layercast_common.tasks import run_abandonable
    from sender.connection.options import SenderIdentity

    encoding = encoding_of(options)
    # Report wrong paths before connecting.
    items = await _wait_for_items(options)
    stream_id = stream_id_of(options)
    identity = SenderIdentity.generate() if stream_id is None else SenderIdentity(stream_id=stream_id)
    rows = []
    batch = BatchFailures(len(items))
    async with sender_factory(options)(identity) as sender:
        while True:
            for item in items:
                loaded = None
                with batch.picture(item.path):
                    loaded = await run_abandonable(partial(item.load, encoding), name="encoding")
                if loaded is None:
                    continue
                stream, jpeg_size = loaded
                _print_notes(item, stream, quiet=options.quiet or options.json)
                delivery = await _send_one(sender, item, stream, jpeg_size, quiet=options.quiet)
                rows.append(_delivery_row(item, stream, delivery))
                if options.with_original:
                    rows[-1]["original_bytes"] = await _give_original(options, item, stream, identity, delivery)
                if not options.json:
                    _print_row(rows[-1], quiet=options.quiet)
            if not options.loop:
                break
            # An endless loop never reports, and the rows would fill the memory.
            rows.clear()
            batch.failed.clear()
            items = await _wait_for_items(options)
    if options.json:
        report({"pictures": rows, "failed": batch.failed})
    return batch.code


def _print_notes(item: "Item", stream: "Bitstream", *, quiet: bool) -> None:
    for note in stream.notes:
        say(f"{item.path.name}: {note}", quiet=quiet)


async def _wait_for_items(options: argparse.Namespace) -> "list[Item]":
    """Return the files to send. With --loop, wait while the folders are empty.

    Raises:
        UsageError: as `find_items`.
    """
    import asyncio

    from sender.sources.files import find_items

    noted = False
    while not (items := list(find_items(options.paths, allow_empty=options.loop))):
        if not noted:
            say(f"no pictures in {', '.join(map(str, options.paths))} yet; waiting for some", quiet=options.quiet)
            noted = True
        await asyncio.sleep(EMPTY_CHECK_SECONDS)
    return items


async def _send_one(sender: "Sender", item: "Item", stream: "Bitstream", jpeg_size: int, *, quiet: bool) -> "Delivery":
    with progress(quiet=quiet) as bars:
        task = bars.add_task(item.path.name, total=len(stream.sections), note="")

        def on_progress(step: "Progress") -> None:
            bars.update(task, completed=step.done, note=f"{step.seconds:.1f} s")

        return await sender.send(stream, jpeg_size=jpeg_size, on_progress=on_progress)


async def _give_original(
    options: argparse.Namespace, item: "Item", stream: "Bitstream", identity: "SenderIdentity", delivery: "Delivery"
) -> int | None:
    """Give the page the original; return its bytes, None if that failed: the picture is delivered all the same."""
    from functools import partial

    from layercast.commands.options.token import token_of
    from layercast.commands.services.original import give_original
    from layercast_common.errors import LayercastError
    from layercast_common.tasks import run_abandonable
    from receiver.archive.names import label_of
    from sender.sources.files import SourceKind

    if item.kind is SourceKind.STREAM:
        say(f"{item.path.name}: a stream has no original to compare with", quiet=options.quiet)
        return None
    label = label_of(identity.stream_id, identity.epoch, delivery.picture_id)
    canvas = stream.header.canvas
    give = partial(give_original, options.with_original, label, item.path, canvas, token_of(options))
    try:
        size = await run_abandonable(give, name="original")
    except LayercastError as error:
        say(f"{item.path.name}: {error}", quiet=options.quiet)
        return None
    say(f"{item.path.name}: original of {size} bytes given to the page, not over the link", quiet=options.quiet)
    return size


def _delivery_row(item: "Item", stream: "Bitstream", delivery: "Delivery") -> dict[str, Any]:
    from codec.layers import Layer
    from layercast.reports import layer_name

    return {
        "file": str(item.path),
        "bytes": len(stream.to_bytes()),
        "guess": None if stream.header.guess is None else dataclasses.asdict(stream.header.guess),
        "sent": delivery.sent,
        "packets": delivery.packets,
        "complete": delivery.complete,
        "seconds": delivery.seconds,
        "layers": [
            dataclasses.asdict(section) | {"layer": layer_name(Layer(section.layer))} for section in delivery.sections
        ],
    }


def _print_row(row: dict[str, Any], *, quiet: bool) -> None:
    from codec.container.guess import Guess

    # A layer has arrived with the last of its sections.
    last: dict[str, float] = {}
    for section in row["layers"]:
        if section["acknowledged"] is not None:
            last[section["layer"]] = max(section["acknowledged"], last.get(section["layer"], 0.0))
    times = ", ".join(f"{layer} {seconds:.2f} s" for layer, seconds in last.items())
    guess = f" (prompt {Guess(**row['guess']).describe()})" if row["guess"] else ""
    say(
        f"{row['file']}{guess}: {row['bytes']} bytes as {row['packets']} packets of {row['sent']} bytes; "
        f"arrived: {times}",
        quiet=quiet,
    )
