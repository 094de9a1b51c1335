"""JSON and server-sent events of the HTTP interface. Times are in seconds, sizes in bytes."""

import msgspec

from layercast_common.http.sse import format_event
from sender.outbox.entries import OutboxEntry
from sender.outbox.updates import Update


class EntryView(msgspec.Struct, frozen=True, kw_only=True):
    """A picture. `accepted_at` and `changed_at` are seconds since 1970."""

    id: int
    name: str
    state: str
    bytes: int
    attempts: int
    reason: str | None
    accepted_at: float
    changed_at: float
    url: str
    events: str


class ProgressView(msgspec.Struct, frozen=True, kw_only=True):
    """An acknowledged section: its layer's number, and how many sections of the total are acknowledged."""

    layer: int
    done: int
    total: int
    seconds: float


class DeliveryView(msgspec.Struct, frozen=True, kw_only=True):
    """The delivery report of a picture."""

    seconds: float
    packets: int
    sent: int


class UpdateView(msgspec.Struct, frozen=True, kw_only=True):
    """A change of a picture."""

    image: EntryView
    progress: ProgressView | None
    delivery: DeliveryView | None


def entry_view(entry: OutboxEntry) -> EntryView:
    """Build the view of an outbox entry."""
    return EntryView(
        id=entry.picture_id,
        name=entry.name,
        state=entry.state.value,
        bytes=entry.size,
        attempts=entry.attempts,
        reason=entry.reason,
        accepted_at=entry.accepted_at,
        changed_at=entry.changed_at,
        url=f"/images/{entry.picture_id}",
        events=f"/images/{entry.picture_id}/events",
    )


def update_event(update: Update) -> bytes:
    """Build the server-sent event of an update: `progress` for an acknowledged section, else the name of the state."""
    progress, delivery = update.progress, update.delivery
    view = UpdateView(
        image=entry_view(update.entry),
        progress=None
        if progress is None
        else ProgressView(
            layer=progress.layer, done=progress.done, total=progress.total, seconds=round(progress.seconds, 3)
        ),
        delivery=None
        if delivery is None
        else DeliveryView(seconds=round(delivery.seconds, 3), packets=delivery.packets, sent=delivery.sent),
    )
    name = update.entry.state.value if progress is None else "progress"
    return format_event(name, msgspec.json.encode(view))
