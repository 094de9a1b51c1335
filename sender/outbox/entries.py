"""The pictures of an outbox, as they are told."""

import enum
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

#: What is read of each row, in the order of `entry_of`.
COLUMNS = "image, name, state, size, jpeg_size, attempts, reason, accepted_at, changed_at, expires_at"


class EntryState(enum.StrEnum):
    """How far a picture is. It is sent again after a crash until it is delivered, failed or expired."""

    QUEUED = "queued"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    EXPIRED = "expired"


PENDING = (EntryState.QUEUED, EntryState.SENT)
FINISHED = (EntryState.DELIVERED, EntryState.FAILED, EntryState.EXPIRED)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxEntry:
    """One picture of an outbox.

    Attributes:
        image: its number, unique for ever within the outbox.
        name: what the caller calls it.
        state: how far it is.
        size: the stream, in bytes.
        jpeg_size: bytes of a JPEG of the original; 0 if unknown.
        attempts: how often it was offered to a receiver.
        reason: why it failed or was offered again, for a person.
        accepted_at, changed_at: in seconds since 1970.
        expires_at: when it is no longer worth sending, in seconds since 1970; None for never.
    """

    image: int
    name: str
    state: EntryState
    size: int
    jpeg_size: int
    attempts: int
    reason: str | None
    accepted_at: float
    changed_at: float
    expires_at: float | None


def read_entries(database: sqlite3.Connection, states: Sequence[EntryState], limit: int = -1) -> list[OutboxEntry]:
    """The rows in these states as entries, oldest first; at most `limit` unless it is negative."""
    marks = ", ".join("?" * len(states))
    query = f"SELECT {COLUMNS} FROM pictures WHERE state IN ({marks}) ORDER BY image LIMIT ?"  # noqa: S608 - marks, names
    return [entry_of(row) for row in database.execute(query, (*states, limit))]


def entry_of(row: tuple[int, str, str, int, int, int, str | None, float, float, float | None]) -> OutboxEntry:
    """The entry of one row."""
    image, name, state, size, jpeg_size, attempts, reason, accepted_at, changed_at, expires_at = row
    return OutboxEntry(
        image=image,
        name=name,
        state=EntryState(state),
        size=size,
        jpeg_size=jpeg_size,
        attempts=attempts,
        reason=reason,
        accepted_at=accepted_at,
        changed_at=changed_at,
        expires_at=expires_at,
    )
