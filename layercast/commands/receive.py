"""`layercast receive`: receives pictures, renders them, and shows them in a browser."""

import argparse
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from layercast.commands.options.parser import Subparsers, add_command
from layercast.commands.options.peer import ADDRESSES, add_listening, certificate_of, shared_key_of, trust_of
from layercast.commands.options.rendering import add_rendering, tuning_of
from layercast.commands.options.steering import add_allow, allowed_of
from layercast.commands.options.token import add_permissions, permissions_of
from layercast.commands.options.values import byte_count, host_and_port
from layercast.console import say
from layercast_common.errors import UsageError

if TYPE_CHECKING:
    import asyncio

    from layercast.commands.services.json_events import JsonEvents
    from layercast.signals import DrainRequest
    from receiver.events import Event

DEFAULT_ADDRESS = "ws://127.0.0.1:8765"

#: The value of `--model` with which nothing is rendered.
NO_MODEL = "none"


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the subcommand."""
    parser = add_command(
        subparsers,
        "receive",
        "Receive pictures, render them as their layers arrive, and show them in a browser",
        "layercast receive --listen ws://0.0.0.0:8765 --viewer 0.0.0.0:8080 --archive pictures/\n"
        "  layercast receive --archive pictures/ --model none",
    )
    parser.add_argument(
        "--listen",
        action="append",
        metavar="URL",
        help=f"address for senders; may be repeated (default: {DEFAULT_ADDRESS})",
    )
    parser.add_argument(
        "--viewer",
        default="127.0.0.1:8080",
        metavar="HOST:PORT",
        help="address of the page, or none (default: %(default)s)",
    )
    parser.add_argument(
        "--viewer-name",
        action="append",
        default=[],
        metavar="NAME",
        help="host name of the page besides localhost and IP addresses; may be repeated",
    )
    parser.add_argument(
        "--viewer-origin",
        action="append",
        default=[],
        metavar="URL",
        help="origin of another web page that may show the pictures and send from a browser, such as https://show.example",
    )
    add_allow(parser, ("redraw", "original"), "none")
    parser.add_argument("--archive", type=Path, metavar="DIR", help="store streams and pictures here")
    parser.add_argument(
        "--keep",
        metavar="SIZE",
        help="size limit of the archive, such as 500MB or 2TB, or all; the oldest are deleted first (default: 10GB)",
    )
    parser.add_argument("--keep-days", type=float, metavar="N", help="delete pictures that are older (default: never)")
    add_permissions(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object per event on stdout")
    add_listening(parser)
    add_rendering(parser)
    parser.add_argument(
        "--replicas",
        type=int,
        default=0,
        metavar="N",
        help="render on N engines of a Ray cluster: that of RAY_ADDRESS, or one on this machine (default: without Ray)",
    )
    parser.add_argument(
        "--gpus-per-replica",
        type=float,
        metavar="X",
        help="GPUs reserved for each replica, such as 1 or 0.5 (default: the cluster's GPUs, shared out evenly)",
    )
    parser.epilog = f"{ADDRESSES}\n\n{parser.epilog}"
    return parser


def run(options: argparse.Namespace) -> None:
    """Receive until Ctrl-C, or until SIGTERM and the pictures in progress are rendered."""
    from layercast.signals import DRAIN_SECONDS, DrainRequest, run_loop, run_until_drained
    from layercast_common.free_memory import share_heaps

    share_heaps()

    async def work(draining: DrainRequest) -> None:
        await _serve(options, draining)

    run_loop(run_until_drained(work, limit=DRAIN_SECONDS))


async def _serve(options: argparse.Namespace, draining: "DrainRequest") -> None:
    from layercast.commands.services.json_events import JsonEvents
    from layercast.commands.services.receive_events import event_line, event_row
    from layercast_common.urls import public_url
    from receiver.archive.library import Library
    from receiver.condition import ReceiverCondition
    from receiver.options import ArchiveOptions, RenderOptions, Security
    from receiver.receiver import Receiver
    from receiver.viewer import Viewer, ViewerOptions
    from receiver.viewer.control.controls import Controls

    allow = allowed_of(options, frozenset())
    addresses = options.listen or [DEFAULT_ADDRESS]
    certificate, trust, shared_key = certificate_of(options), trust_of(options), shared_key_of(options)
    permissions, keep = permissions_of(options), _keep_of(options)
    receiver: Receiver | None = None
    viewer = None
    if options.viewer != "none":
        viewer = Viewer(
            ViewerOptions(
                address=public_url(addresses[0]),
                origins=options.viewer_origin,
                names=options.viewer_name,
                permissions=permissions,
                metrics=lambda: receiver.metrics.text() if receiver else (b"", "text/plain"),
                condition=lambda: receiver.condition if receiver else ReceiverCondition.LOADING,
                library=None if options.archive is None else Library(options.archive),
                on_recorded=lambda name, data: receiver.store_arrival(name, data) if receiver else None,
                controls=lambda: Controls(
                    redraw=receiver.redraw if receiver and "redraw" in allow else None,
                    original=viewer.show_original if viewer and "original" in allow else None,
                ),
                note=lambda: None if receiver and receiver.condition is not ReceiverCondition.LOADING else loading,
            )
        )
    quiet = options.quiet or options.json
    loading = "The receiver is loading its model. Pictures that arrive meanwhile are drawn as soon as it is ready."
    events = JsonEvents()

    def on_event(event: "Event") -> None:
        if viewer:
            viewer.publish(event)
        if options.json:
            events.write(event_row(event))
        elif line := event_line(event):
            say(line, quiet=options.quiet)

    async with contextlib.AsyncExitStack() as stack:
        page = "without a page"
        if viewer:
            # Before the model, which takes seconds to load: report a port in use at once.
            url = await stack.enter_async_context(viewer.serve(*host_and_port(options.viewer), ssl=certificate))
            page = f"page at {url}"
        model = options.model or "mini"
        if model != NO_MODEL:
            say(f"loading {model} ...", quiet=quiet)
        receiver = await stack.enter_async_context(
            Receiver(
                addresses,
                on_event=on_event,
                render=RenderOptions(
                    model=None if model == NO_MODEL else model,
                    device=options.device,
                    performance=options.performance,
                    replicas=options.replicas,
                    gpus_per_replica=options.gpus_per_replica,
                    tuning=tuning_of(options),
                    steps=options.steps,
                ),
                archive=None
                if options.archive is None
                else ArchiveOptions(folder=options.archive, keep=keep, keep_days=options.keep_days),
                security=Security(
                    permissions=permissions,
                    ssl=certificate,
                    trust=trust,
                    origins=options.viewer_origin,
                    ice_servers=options.ice_server,
                    shared_key=shared_key,
                ),
            )
        )
        draining.worth_waiting = True
        if viewer:
            viewer.refresh()
        if options.json:
            events.write(
                {
                    "event": "Listening",
                    "url": receiver.url,
                    "urls": receiver.urls,
                    "viewer": viewer.url if viewer else None,
                }
            )
        say(f"listening at {' and '.join(receiver.urls)}, {page}; Ctrl-C stops", quiet=quiet)
        if options.archive is not None:
            say(f"keeping {_keep_text(options)} in {options.archive}", quiet=quiet)
        say(f"send a picture: layercast send photo.jpg --to {receiver.url}", quiet=quiet)
        await _wait_for_end(events, draining)
        say("finishing the pictures in progress; SIGTERM again stops at once", quiet=quiet)
        await receiver.drain()


async def _wait_for_end(events: "JsonEvents", draining: "asyncio.Event") -> None:
    """Wait until SIGTERM asks the command to drain, or until stdout is closed.

    Raises:
        BrokenPipeError: the reader of stdout has closed it.
    """
    import asyncio

    from layercast_common.tasks import cancel, start_task

    requested = start_task(draining.wait(), name="drain request")
    try:
        await asyncio.wait((events.closed, requested), return_when=asyncio.FIRST_COMPLETED)
    finally:
        await cancel(requested)
    if events.closed.done():
        events.closed.result()


def _keep_of(options: argparse.Namespace) -> int | None:
    """Return the size limit of the archive, in bytes; None for no limit."""
    from receiver.archive import KEEP_BYTES

    if options.archive is None and (options.keep is not None or options.keep_days is not None):
        raise UsageError("--keep and --keep-days limit an archive; name it with --archive DIR")
    return KEEP_BYTES if options.keep is None else byte_count(options.keep)


def _keep_text(options: argparse.Namespace) -> str:
    """Return the archive's limits in a few words, so that deletion surprises no user."""
    size = options.keep or "10GB"
    much = "everything" if size == "all" else f"the newest pictures, {size} at most (--keep),"
    return much if options.keep_days is None else f"{much} for {options.keep_days:g} days"
