"""`layercast watch` at work: sources on one side, a receiver on the other, an outbox between them.

folder --> ingest_folder --+
                           +--> OutboxRelay.post --> Outbox --> OutboxRelay.run --> receiver
HTTP ----> sender.http ----+
"""

import argparse
import asyncio
import contextlib
import ipaddress
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any

from layercast.commands.options.common import host_and_port, recipe_of
from layercast.commands.options.identity import stream_of
from layercast.commands.options.peer import certificate_of
from layercast.commands.options.token import token_of
from layercast.commands.services.connect import DRAIN_SECONDS, connector
from layercast.commands.services.send_outbox import entry_row
from layercast.console import report, say
from layercast.signals import run_until_drained
from layercast_common.errors import UsageError
from layercast_common.http.server import open_socket, quiet_server, serving, url_of
from sender.http.app import IngestConfig, build_app
from sender.metrics import SenderMetrics
from sender.outbox.entries import EntryState
from sender.outbox.outbox import Outbox
from sender.outbox.relay import OutboxRelay
from sender.outbox.updates import Update
from sender.sources.files import Item
from sender.sources.folder import WatchedFolder, ingest_folder


def watch(options: argparse.Namespace) -> None:
    """Watch until Ctrl-C or SIGTERM.

    Raises:
        UsageError: the options make no sense, or the folder is not there.
        OutboxError: the outbox cannot be used.
        AuthenticationError, RemoteProtocolError: the receiver will never take us.
        ListenError: the address for HTTP cannot be listened on.
    """

    async def work(leaving: asyncio.Event) -> None:
        with Outbox(options.outbox, stream=stream_of(options)) as outbox:
            await _watch(options, outbox, leaving)

    asyncio.run(run_until_drained(work, limit=DRAIN_SECONDS))


async def _watch(options: argparse.Namespace, outbox: Outbox, leaving: asyncio.Event) -> None:
    quiet = options.quiet or options.json

    def on_update(update: Update) -> None:
        metrics.count(update)
        if options.json:
            report(_row(update))
        elif line := _line(update):
            say(line, quiet=quiet)

    def on_item(item: Item, image: int) -> None:
        say(f"{item.path.name}: accepted as picture {image}", quiet=quiet)

    courier = OutboxRelay(outbox, connector(options), on_update=on_update)
    metrics = SenderMetrics(courier)
    async with contextlib.AsyncExitStack() as stack:
        if options.http is not None:
            url = await stack.enter_async_context(_served(options, courier, metrics, leaving))
            say(f"taking pictures at {url}images", quiet=quiet)
        sources = []
        if options.folder is not None:
            sources.append(
                asyncio.create_task(ingest_folder(_drop_of(options), courier, tell=on_item), name="watching")
            )
            say(f"watching {options.folder}", quiet=quiet)
        delivering = asyncio.create_task(courier.run(), name="delivering")
        say(f"sending to {options.to}; Ctrl-C ends it, and {options.outbox} keeps what waits", quiet=quiet)
        await _until_left(leaving, courier, delivering, sources)


async def _until_left(
    leaving: asyncio.Event, courier: OutboxRelay, delivering: asyncio.Task[None], sources: list[asyncio.Task[None]]
) -> None:
    """Run until we are told to leave and what is under way has arrived; an error of any part ends all of them."""
    left = asyncio.create_task(leaving.wait(), name="leaving")
    try:
        done, _ = await asyncio.wait([left, delivering, *sources], return_when=asyncio.FIRST_COMPLETED)
        for task in done - {left}:
            task.result()
        courier.drain()
        for source in sources:
            source.cancel()
        await delivering
    finally:
        tasks = (left, delivering, *sources)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _drop_of(options: argparse.Namespace) -> WatchedFolder:
    return WatchedFolder(
        folder=options.folder,
        recipe=recipe_of(options),
        done=options.done,
        failed=options.failed,
        lifetime=options.lifetime,
    )


@contextlib.asynccontextmanager
async def _served(
    options: argparse.Namespace, courier: OutboxRelay, metrics: SenderMetrics, leaving: asyncio.Event
) -> AsyncIterator[str]:
    """The HTTP server, for the time of the block; gives its URL."""
    host, port = host_and_port(options.http)
    token = token_of(options, name="http-token")
    if token is None and not _is_this_machine(host):
        raise UsageError(f"--http {options.http} lets the whole network post; give it an --http-token-file FILE")
    if not 0 < options.max_upload <= 1024:
        raise UsageError(f"--max-upload is 1 to 1024 MiB, not {options.max_upload}")
    certificate = certificate_of(options)
    counter = IngestConfig(
        courier=courier,
        recipe=recipe_of(options),
        token=token,
        names=frozenset(name.lower() for name in options.http_name),
        max_upload=options.max_upload * 1024 * 1024,
        metrics=metrics.text,
        condition=lambda: "draining" if leaving.is_set() else "ok",
    )
    listener = await open_socket(host, port, option="--http")
    server = quiet_server(build_app(counter), ssl=certificate)
    async with serving(server, listener, on_end=courier.updates.close):
        yield url_of(listener, "https" if certificate else "http")


def _is_this_machine(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _line(update: Update) -> str | None:
    entry, delivery = update.entry, update.delivery
    if delivery is not None:
        return f"{entry.name}: delivered, {delivery.sent} bytes in {delivery.seconds:.2f} s"
    if update.progress is not None or entry.state is EntryState.SENT:
        return None
    return f"{entry.name}: {entry.state}" + (f", {entry.reason}" if entry.reason else "")


def _row(update: Update) -> dict[str, Any]:
    delivery = update.delivery
    return {
        "picture": entry_row(update.entry),
        "progress": None if update.progress is None else asdict(update.progress),
        "delivery": None
        if delivery is None
        else {"seconds": delivery.seconds, "packets": delivery.packets, "sent": delivery.sent},
    }
