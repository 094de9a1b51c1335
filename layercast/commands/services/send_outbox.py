"""`layercast send --outbox FILE`: everything is on disk before the first byte leaves."""

import argparse
import asyncio
from typing import TYPE_CHECKING, Any

from codec.encoder.picture import EncodeOptions
from layercast.commands.options.common import recipe_of
from layercast.commands.options.identity import stream_of
from layercast.commands.services.connect import DRAIN_SECONDS, connector
from layercast.console import progress, report, say
from layercast.reports import layer_name
from layercast.signals import run_until_drained
from layercast_common.errors import OutboxError, UsageError
from sender.outbox.entries import EntryState, OutboxEntry
from sender.outbox.outbox import Outbox
from sender.outbox.relay import OutboxRelay
from sender.outbox.updates import Update
from sender.sources.files import Item, find_items

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID


def send_by_outbox(options: argparse.Namespace) -> None:
    """Accept the pictures, deliver everything that the outbox holds, then report.

    Raises:
        OutboxError: the outbox cannot be used, or a picture could not be delivered.
        LayercastError: a picture cannot be read, or the receiver will never take us.
    """
    if options.loop:
        raise UsageError("--loop sends for ever, and an --outbox only what was accepted; give one of them")
    items = list(find_items(options.paths))
    connect = connector(options)
    with Outbox(options.outbox, stream=stream_of(options)) as outbox:
        before = {entry.image for entry in outbox.pending()}
        accepted = _accept(items, recipe_of(options), outbox, quiet=options.quiet)
        asyncio.run(_deliver(options, outbox, connect))
        entries = [entry for entry in outbox.entries() if entry.image in before | accepted]
        if options.json:
            report({"pictures": [entry_row(entry) for entry in entries]})
        waiting = sum(entry.state in (EntryState.QUEUED, EntryState.SENT) for entry in entries)
        if waiting:
            say(
                f"{waiting} pictures wait in {options.outbox}; to go on: "
                f"layercast send --outbox {options.outbox} --to {options.to}",
                quiet=options.quiet,
            )
        lost = [entry for entry in entries if entry.state in (EntryState.FAILED, EntryState.EXPIRED)]
        if lost:
            raise OutboxError(f"{len(lost)} pictures were not delivered: {lost[0].name}: {lost[0].reason}")


def entry_row(entry: OutboxEntry) -> dict[str, Any]:
    """A picture of an outbox, for scripts."""
    return {
        "id": entry.image,
        "name": entry.name,
        "state": entry.state.value,
        "bytes": entry.size,
        "attempts": entry.attempts,
        "reason": entry.reason,
        "accepted_at": entry.accepted_at,
        "changed_at": entry.changed_at,
        "expires_at": entry.expires_at,
    }


def _accept(items: list[Item], recipe: EncodeOptions, outbox: Outbox, *, quiet: bool) -> set[int]:
    """Take the files in; one that is known already, as it is now, is not taken in again."""
    accepted = set()
    with progress(quiet=quiet) as bars:
        task = bars.add_task("accepting", total=len(items), note="")
        for item in items:
            image = outbox.number_of(item.key)
            if image is None:
                stream, jpeg_size = item.load(recipe)
                image = outbox.accept(stream, name=item.path.name, key=item.key, jpeg_size=jpeg_size)
            accepted.add(image)
            bars.advance(task)
    return accepted


async def _deliver(options: argparse.Namespace, outbox: Outbox, connect: Any) -> None:
    with progress(quiet=options.quiet) as bars:
        courier = OutboxRelay(outbox, connect, on_update=_Teller(bars, quiet=options.quiet or options.json))

        async def work(leaving: asyncio.Event) -> None:
            draining = asyncio.create_task(_drain_when(leaving, courier))
            try:
                await courier.run(until_empty=True)
            finally:
                draining.cancel()

        await run_until_drained(work, limit=DRAIN_SECONDS)


async def _drain_when(leaving: asyncio.Event, courier: OutboxRelay) -> None:
    await leaving.wait()
    courier.drain()


class _Teller:
    """Shows how far each picture is."""

    def __init__(self, bars: "Bars", *, quiet: bool) -> None:
        self._bars = bars
        self._quiet = quiet
        self._tasks: dict[int, TaskID] = {}

    def __call__(self, update: Update) -> None:
        entry, step = update.entry, update.progress
        if step is not None:
            task = self._tasks.get(entry.image)
            if task is None:
                task = self._tasks[entry.image] = self._bars.add_task(entry.name, total=step.total, note="")
            self._bars.update(task, completed=step.done, note=f"{layer_name(step.layer)} {step.seconds:.1f} s")
        elif entry.state is not EntryState.SENT:
            self._end(update)

    def _end(self, update: Update) -> None:
        entry = update.entry
        task = self._tasks.pop(entry.image, None)
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
