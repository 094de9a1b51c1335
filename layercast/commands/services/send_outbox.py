"""`layercast send --outbox FILE`: stores all pictures on disk, then delivers them."""

import argparse
import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from codec.encoder.options import EncodeOptions
from layercast.batch import BatchFailures
from layercast.commands.options.encoding import encoding_of
from layercast.commands.options.identity import stream_id_of
from layercast.commands.services.outbox_rows import entry_row
from layercast.commands.services.sender_factory import sender_factory
from layercast.console import progress, report, say
from layercast.reports import layer_name
from layercast.signals import DRAIN_SECONDS, DrainRequest, run_loop, run_until_drained
from layercast_common.errors import OutboxError, UsageError
from layercast_common.tasks import BackgroundTasks
from sender.connection.options import SenderIdentity
from sender.connection.sender import Sender
from sender.outbox.entries import PENDING, EntryState
from sender.outbox.outbox import Outbox
from sender.outbox.relay import OutboxRelay
from sender.outbox.updates import Update
from sender.sources.files import Item, find_items

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID


def send_through_outbox(options: argparse.Namespace) -> int | None:
    """Store the pictures, deliver everything in the outbox, then report.

    Returns:
        The exit code if a file could not be stored; None if all were.

    Raises:
        OutboxError: the outbox cannot be used, or a picture was not delivered.
        StorageError: the only file cannot be read.
        CodecError: the only file is not a picture or stream, or cannot be encoded.
        AuthenticationError, RemoteProtocolError: the receiver refuses the connection.
        UsageError: options contradict each other or are out of range.
    """
    if options.loop:
        raise UsageError("--loop and --outbox exclude each other: an outbox sends each picture once")
    items = list(find_items(options.paths))
    connect = sender_factory(options)
    with Outbox(options.outbox, stream_id=stream_id_of(options)) as outbox:
        before = {entry.picture_id for entry in outbox.pending()}
        batch = BatchFailures(len(items))
        accepted = _accept(items, encoding_of(options), outbox, batch, quiet=options.quiet)
        run_loop(_deliver(options, outbox, connect))
        entries = [entry for entry in outbox.entries() if entry.picture_id in before | accepted]
        if options.json:
            report({"pictures": [entry_row(entry) for entry in entries], "failed": batch.failed})
        waiting = sum(entry.state in PENDING for entry in entries)
        if waiting:
            say(
                f"{waiting} pictures wait in {options.outbox}; to continue: "
                f"layercast send --outbox {options.outbox} --to {options.to}",
                quiet=options.quiet,
            )
        lost = [entry for entry in entries if entry.state in (EntryState.FAILED, EntryState.EXPIRED)]
        if lost:
            raise OutboxError(f"{len(lost)} pictures were not delivered: {lost[0].name}: {lost[0].reason}")
    return batch.code


def _accept(
    items: list[Item], encoding: EncodeOptions, outbox: Outbox, batch: BatchFailures, *, quiet: bool
) -> set[int]:
    """Store the files; files that the outbox has in the same version are skipped. Return all their picture ids."""
    accepted = set()
    with progress(quiet=quiet) as bars:
        task = bars.add_task("accepting", total=len(items), note="")
        for item in items:
            bars.advance(task)
            picture_id, loaded = outbox.number_of(item.key), None
            if picture_id is None:
                with batch.picture(item.path):
                    loaded = item.load(encoding)
            if loaded is not None:
                stream, jpeg_size = loaded
                for note in stream.notes:
                    say(f"{item.path.name}: {note}", quiet=quiet)
                picture_id = outbox.accept(stream, name=item.path.name, key=item.key, jpeg_size=jpeg_size)
            if picture_id is not None:
                accepted.add(picture_id)
    return accepted


async def _deliver(options: argparse.Namespace, outbox: Outbox, connect: Callable[[SenderIdentity], Sender]) -> None:
    with progress(quiet=options.quiet) as bars:
        relay = OutboxRelay(outbox, connect, on_update=_ProgressBars(bars, quiet=options.quiet or options.json))

        async def work(draining: DrainRequest) -> None:
            draining.worth_waiting = True
            async with BackgroundTasks("send") as tasks:
                tasks.start(_drain_when(draining, relay), name="drain request")
                await relay.run(until_empty=True)

        await run_until_drained(work, limit=DRAIN_SECONDS)


async def _drain_when(draining: asyncio.Event, relay: OutboxRelay) -> None:
    await draining.wait()
    relay.drain()


class _ProgressBars:
    """Shows the progress of each picture, and a line when it is finished."""

    def __init__(self, bars: "Bars", *, quiet: bool) -> None:
        self._bars = bars
        self._quiet = quiet
        self._tasks: dict[int, TaskID] = {}

    def __call__(self, update: Update) -> None:
        entry, step = update.entry, update.progress
        if step is not None:
            task = self._tasks.get(entry.picture_id)
            if task is None:
                task = self._tasks[entry.picture_id] = self._bars.add_task(entry.name, total=step.total, note="")
            self._bars.update(task, completed=step.done, note=f"{layer_name(step.layer)} {step.seconds:.1f} s")
        elif entry.state is not EntryState.SENT:
            self._finish(update)

    def _finish(self, update: Update) -> None:
        entry = update.entry
        task = self._tasks.pop(entry.picture_id, None)
        if task is not None:
            self._bars.remove_task(task)
        if update.delivery is not None:
            say(
                f"{entry.name}: delivered as {update.delivery.packets} packets of {update.delivery.sent} bytes "
                f"in {update.delivery.seconds:.2f} s",
                quiet=self._quiet,
            )
        else:
            say(f"{entry.name}: {entry.state}, {entry.reason}", quiet=self._quiet)
