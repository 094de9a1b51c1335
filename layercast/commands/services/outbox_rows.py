"""Entries of an outbox as JSON."""

from typing import Any

from sender.outbox.entries import OutboxEntry


def entry_row(entry: OutboxEntry) -> dict[str, Any]:
    """Return an outbox entry as a JSON object. Times are seconds since 1970, sizes bytes."""
    return {
        "id": entry.picture_id,
        "name": entry.name,
        "state": entry.state.value,
        "bytes": entry.size,
        "attempts": entry.attempts,
        "reason": entry.reason,
        "accepted_at": entry.accepted_at,
        "changed_at": entry.changed_at,
        "expires_at": entry.expires_at,
    }
