"""`layercast receive`: wait for pictures, draw them, show them."""

import argparse
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layercast.commands.options.common import (
    Subparsers,
    add_command,
    add_rendering,
    byte_count,
    host_and_port,
    tuning_of,
)
from layercast.commands.options.peer import ADDRESSES, add_listening, certificate_of, shared_key_of, trust_of
from layercast.commands.options.token import add_token, token_of
from layercast.console import report, say
from layercast_common.errors import UsageError

if TYPE_CHECKING:
    import asyncio

    from receiver.events import Event
    from receiver.permissions import Permissions

DEFAULT_ADDRESS = "ws://127.0.0.1:8765"

#: What `--model` is called where nothing is to be drawn.
NO_MODEL = "none"

#: How long finishing what is under way may take once we are told to leave, in seconds.
DRAIN_SECONDS = 15.0


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """The subcommand's arguments."""
    parser = add_command(
        subparsers,
        "receive",
        "Take pictures from senders, draw them as their layers arrive, and show them in a browser",
        "layercast receive --listen ws://0.0.0.0:8765 --viewer 0.0.0.0:8080 --archive pictures/\n"
        "  layercast receive --archive pictures/ --model none",
    )
    parser.add_argument(
        "--listen",
        action="append",
        metavar="URL",
        help=f"where senders come; may be repeated (default: {DEFAULT_ADDRESS})",
    )
    parser.add_argument(
        "--viewer",
        default="127.0.0.1:8080",
        metavar="HOST:PORT",
        help="where the page is, or none (default: %(default)s)",
    )
    parser.add_argument(
        "--viewer-name",
        action="append",
        default=[],
        metavar="NAME",
        help="a name that the page goes by, besides localhost and addresses in numbers; may be repeated",
    )
    parser.add_argument(
        "--viewer-origin",
        action="append",
        default=[],
        metavar="URL",
        help="a web page that may show the page's data and send from a browser, such as https://show.example",
    )
    parser.add_argument("--archive", type=Path, metavar="DIR", help="keep streams and pictures here")
    parser.add_argument(
        "--keep",
        metavar="SIZE",
        help="what the archive may take on disk, such as 500MB or 2TB, or all; the oldest go first (default: 10GB)",
    )
    parser.add_argument(
        "--keep-days", type=float, metavar="N", help="what is older goes from the archive in any case (default: never)"
    )
    add_token(parser, "what senders must know; without it anyone may send")
    parser.add_argument(
        "--permissions",
        type=Path,
        metavar="TOML",
        help="instead of one token: which tokens may send which streams, watch, and read the metrics",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per event on stdout")
    add_listening(parser)
    add_rendering(parser)
    parser.add_argument(
        "--replicas",
        type=int,
        default=0,
        metavar="N",
        help="draw on N engines of a Ray cluster, the one RAY_ADDRESS names or one on this machine (default: here)",
    )
    parser.epilog = f"{ADDRESSES}\n\n{parser.epilog}"
    return parser


def run(options: argparse.Namespace) -> None:
    """Serve until Ctrl-C, or until SIGTERM and what is under way is drawn."""
    import asyncio

    from layercast.signals import run_until_drained

    async def work(leaving: asyncio.Event) -> None:
        await _serve(options, leaving)

    asyncio.run(run_until_drained(work, limit=DRAIN_SECONDS))


async def _serve(options: argparse.Namespace, leaving: "asyncio.Event") -> None:
    import asyncio

    from layercast_common.urls import public_url
    from receiver.receiver import Receiver
    from receiver.viewer import Viewer

    addresses = options.listen or [DEFAULT_ADDRESS]
    certificate, trust, shared_key = certificate_of(options), trust_of(options), shared_key_of(options)
    permissions, keep = _permissions_of(options), _keep_of(options)
    receiver: Receiver | None = None
    viewer = None
    if options.viewer != "none":
        viewer = Viewer(
            address=public_url(addresses[0]),
            origins=options.viewer_origin,
            names=options.viewer_name,
            permissions=permissions,
            metrics=lambda: receiver.metrics.text() if receiver else (b"", "text/plain"),
            condition=lambda: receiver.condition if receiver else "loading",
        )
    quiet = options.quiet or options.json

    # Never done, unless whoever reads our output goes away.
    unread: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def tell(row: dict[str, Any]) -> None:
        try:
            report(row)
        except BrokenPipeError as error:
            if not unread.done():
                unread.set_exception(error)

    def on_event(event: "Event") -> None:
        if viewer:
            viewer.publish(event)
        if options.json:
            tell(event_row(event))
        elif line := event_line(event):
            say(line, quiet=options.quiet)

    async with contextlib.AsyncExitStack() as stack:
        page = "nowhere"
        if viewer:
            # Before the model, which takes seconds to load: a taken port should be told at once.
            page = await stack.enter_async_context(viewer.serve(*host_and_port(options.viewer), ssl=certificate))
        model = options.model or "mini"
        if model != NO_MODEL:
            say(f"loading {model} ...", quiet=quiet)
        receiver = await stack.enter_async_context(
            Receiver(
                addresses,
                permissions=permissions,
                model=None if model == NO_MODEL else model,
                device=options.device,
                steps=options.steps,
                archive=options.archive,
                keep=keep,
                keep_days=options.keep_days,
                on_event=on_event,
                ssl=certificate,
                trust=trust,
                performance=options.performance,
                replicas=options.replicas,
                tuning=tuning_of(options),
                origins=options.viewer_origin,
                ice_servers=options.ice_server,
                shared_key=shared_key,
            )
        )
        if options.json:
            tell(
                {
                    "event": "Listening",
                    "url": receiver.url,
                    "urls": receiver.urls,
                    "viewer": viewer.url if viewer else None,
                }
            )
        say(f"listening at {' and '.join(receiver.urls)}, showing at {page}; Ctrl-C ends it", quiet=quiet)
        if options.archive is not None:
            say(f"keeping {_keep_text(options)} in {options.archive}", quiet=quiet)
        say(f"send a picture: layercast send photo.jpg --to {receiver.url}", quiet=quiet)
        await _either(unread, leaving)
        say("finishing what is under way; once more to stop at once", quiet=quiet)
        await receiver.drain()


async def _either(unread: "asyncio.Future[None]", leaving: "asyncio.Event") -> None:
    """Wait until we are told to leave, or until nobody reads our output.

    Raises:
        BrokenPipeError: nobody reads it.
    """
    import asyncio

    left = asyncio.ensure_future(leaving.wait())
    await asyncio.wait((unread, left), return_when=asyncio.FIRST_COMPLETED)
    left.cancel()
    if unread.done():
        unread.result()


def _permissions_of(options: argparse.Namespace) -> "Permissions | None":
    from receiver.permissions import Permissions

    token = token_of(options)
    if options.permissions is not None:
        if token is not None:
            raise UsageError("--permissions names every token; put the one that was given besides into its file")
        return Permissions.load(options.permissions)
    return None if token is None else Permissions.of_token(token)


def _keep_of(options: argparse.Namespace) -> int | None:
    """What the archive may take on disk, in bytes; None for any number."""
    from receiver.archive import KEEP_BYTES

    if options.archive is None and (options.keep is not None or options.keep_days is not None):
        raise UsageError("--keep and --keep-days tell how much of an archive to keep; name one with --archive DIR")
    return KEEP_BYTES if options.keep is None else byte_count(options.keep)


def _keep_text(options: argparse.Namespace) -> str:
    """What is kept, in a few words, so that nobody is surprised by what is not."""
    size = options.keep or "10GB"
    much = "everything" if size == "all" else f"the newest pictures, {size} at most (--keep),"
    return much if options.keep_days is None else f"{much} for {options.keep_days:g} days"


def event_line(event: "Event") -> str | None:
    """An event in a line for a person; None for what happens too often."""
    from layercast.reports import layer_name
    from receiver.events import FrameRendered, LayerArrived, PictureCompleted, PictureFailed, PictureOpened

    match event:
        case PictureOpened():
            sizes = ", ".join(f"{layer_name(s.layer)} {s.size}" for s in event.sections)
            return f"{event.picture}: {event.canvas[0]}x{event.canvas[1]}, coming: {sizes} bytes"
        case LayerArrived():
            return f"{event.picture}: {layer_name(event.layer)} after {event.received} bytes"
        case FrameRendered(frame=frame) if frame.final:
            return f"{event.picture}: drawn up to {layer_name(frame.level)} in {frame.seconds:.2f} s"
        case PictureCompleted():
            return f"{event.picture}: complete, {event.received} bytes"
        case PictureFailed():
            return f"{event.picture}: {event.reason}"
    return None


def event_row(event: "Event") -> dict[str, Any]:
    """An event as JSON, without the pictures in it."""
    from layercast.reports import layer_name
    from receiver.events import FrameRendered, LayerArrived, PictureCompleted, PictureFailed, PictureOpened

    row: dict[str, Any] = {"event": type(event).__name__, "picture": event.picture, "at": event.at}
    match event:
        case PictureOpened():
            sections = [{"layer": layer_name(section.layer), "bytes": section.size} for section in event.sections]
            row |= {"canvas": event.canvas, "model": event.model, "seed": event.seed, "sections": sections}
        case LayerArrived():
            row |= {"layer": layer_name(event.layer), "received": event.received}
        case FrameRendered(frame=frame):
            row |= {
                "level": layer_name(frame.level),
                "step": frame.step,
                "steps": frame.steps,
                "final": frame.final,
                "seconds": frame.seconds,
            }
        case PictureCompleted():
            row |= {"received": event.received}
        case PictureFailed():
            row |= {"reason": event.reason}
    return row
