"""`layercast watch`: sources of pictures, an outbox, and a relay to the receiver.

folder --> ingest_folder --+
                           +--> OutboxRelay.post --> Outbox --> OutboxRelay.run --> receiver
HTTP ----> sender.http ----+
"""

import argparse
import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from layercast.commands.options.encoding import encoding_of
from layercast.commands.options.identity import stream_id_of
from layercast.commands.options.peer import certificate_of
from layercast.commands.options.token import token_of
from layercast.commands.options.values import host_and_port, is_loopback
from layercast.commands.services.json_events import JsonEvents
from layercast.commands.services.outbox_rows import entry_row
from layercast.commands.services.sender_factory import sender_factory
from layercast.console import say
from layercast.signals import DRAIN_SECONDS, DrainRequest, run_loop, run_until_drained
from layercast_common.errors import UsageError
from layercast_common.http.server import open_socket, quiet_server, serving, url_of
from layercast_common.tasks import cancel, start_task
from sender.http.app import IngestConfig, build_app
from sender.metrics import SenderMetrics
from sender.outbox.entries import EntryState
from sender.outbox.outbox import Outbox
from sender.outbox.relay import OutboxRelay
from sender.outbox.updates import Update
from sender.sources.folder import AcceptedFile, WatchedFolder, ingest_folder


def watch(options: argparse.Namespace) -> None:
    """Store and deliver pictures until Ctrl-C or SIGTERM.

    Raises:
        UsageError: an option is not valid, or the folder does not exist.
        StorageError: the folder or another file cannot be read, or a file cannot be moved.
        OutboxError: the outbox cannot be used.
        AuthenticationError, RemoteProtocolError: the receiver refuses the connection.
        ListenError: the HTTP address cannot be listened on.
        BrokenPipeError: the reader of stdout has closed it.
    """

    async def work(draining: DrainRequest) -> None:
        draining.worth_waiting = True
        with Outbox(options.outbox, stream_id=stream_id_of(options)) as outbox:
            await _watch(options, outbox, draining)

    run_loop(run_until_drained(work, limit=DRAIN_SECONDS))


async def _watch(options: argparse.Namespace, outbox: Outbox, draining: asyncio.Event) -> None:
    quiet = options.quiet or options.json
    events = JsonEvents()

    def on_update(update: Update) -> None:
        metrics.record(update)
        if options.json:
            events.write(_update_row(update))
        elif line := _update_line(update):
            say(line, quiet=quiet)

    def on_accepted(accepted: AcceptedFile) -> None:
        say(f"{accepted.item.path.name}: accepted as picture {accepted.picture_id}", quiet=quiet)

    relay = OutboxRelay(outbox, sender_factory(options), on_update=on_update)
    metrics = SenderMetrics(relay)
    async with contextlib.AsyncExitStack() as stack:
        if options.http is not None:
            url = await stack.enter_async_context(_serve_http(options, relay, metrics, draining))
            say(f"accepting pictures at {url}images", quiet=quiet)
        sources = []
        if options.folder is not None:
            ingestion = ingest_folder(_watched_folder(options), relay, on_accepted=on_accepted)
            sources.append(start_task(ingestion, name="folder ingestion"))
            say(f"watching {options.folder}", quiet=quiet)
        delivery = start_task(relay.run(), name="delivery")
        say(f"sending to {options.to}; Ctrl-C stops, {options.outbox} keeps undelivered pictures", quiet=quiet)
        await _run_until_drained(draining, relay, delivery, [*sources, events.closed])


async def _run_until_drained(
    draining: asyncio.Event, relay: OutboxRelay, delivery: asyncio.Task[None], sources: list[asyncio.Future[None]]
) -> None:
    """Run until `draining` is set and pictures in flight are finished. An error of any part ends all of them."""
    requested = start_task(draining.wait(), name="drain request")
    parts: list[asyncio.Future[Any]] = [requested, delivery, *sources]
    try:
        done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        for part in done:
            part.result()
        relay.drain()
        for source in sources:
            source.cancel()
        await delivery
    finally:
        for part in parts:
            if isinstance(part, asyncio.Task) and not part.done():
                await cancel(part)


def _watched_folder(options: argparse.Namespace) -> WatchedFolder:
    return WatchedFolder(
        folder=options.folder,
        encoding=encoding_of(options),
        done=options.done,
        failed=options.failed,
        lifetime=options.lifetime,
    )


@contextlib.asynccontextmanager
async def _serve_http(
    options: argparse.Namespace, relay: OutboxRelay, metrics: SenderMetrics, draining: asyncio.Event
) -> AsyncIterator[str]:
    """Run the HTTP server within the block, which gets its URL."""
    host, port = host_and_port(options.http)
    token = token_of(options, name="http-token")
    if token is None and not is_loopback(host):
        raise UsageError(f"--http {options.http} lets the whole network upload; add an --http-token-file FILE")
    if not 0 < options.max_upload <= 1024:
        raise UsageError(f"--max-upload is 1 to 1024 MiB, not {options.max_upload}")
    certificate = certificate_of(options)
    config = IngestConfig(
        relay=relay,
        encoding=encoding_of(options),
        token=token,
        names=frozenset(name.lower() for name in options.http_name),
        max_upload=options.max_upload * 1024 * 1024,
        metrics=metrics.text,
        condition=lambda: "draining" if draining.is_set() else "ok",
    )
    listener = await open_socket(host, port, option="--http")
    server = quiet_server(build_app(config), listener, ssl=certificate)
    async with serving(server, listener, on_end=relay.updates.close):
        yield url_of(listener, "https" if certificate else "http")


def _update_line(update: Update) -> str | None:
    """Return an update as a line for a person; None for those that are too frequent."""
    entry, delivery = update.entry, update.delivery
    if delivery is not None:
        return f"{entry.name}: delivered, {delivery.sent} bytes in {delivery.seconds:.2f} s"
    if update.progress is not None or entry.state is EntryState.SENT:
        return None
    return f"{entry.name}: {entry.state}" + (f", {entry.reason}" if entry.reason else "")


def _update_row(update: Update) -> dict[str, Any]:
    """Return an update as a JSON object."""
    progress, delivery = update.progress, update.delivery
    return {
        "picture": entry_row(update.entry),
        "progress": None
        if progress is None
        else {
            "image": progress.picture_id,
            "index": progress.index,
            "layer": progress.layer,
            "done": progress.done,
            "total": progress.total,
            "seconds": progress.seconds,
        },
        "delivery": None
        if delivery is None
        else {"seconds": delivery.seconds, "packets": delivery.packets, "sent": delivery.sent},
    }
