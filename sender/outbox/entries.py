"""Entries of an outbox: one picture, its state and its history."""

import enum
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

#: The columns of a row, in the order that `entry_of` expects.
COLUMNS = "image, name, state, size, jpeg_size, attempts, reason, accepted_at, changed_at, expires_at"


class EntryState(enum.StrEnum):
    """The state of a picture. After a crash, pictures that are queued or sent are sent again."""

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
        picture_id: its number, which the outbox never uses again.
        name: the caller's name for it.
        state: its state.
        size: size of the stream, in bytes.
        jpeg_size: bytes of a JPEG of the original; 0 if unknown.
        attempts: how often it was offered to a receiver.
        reason: why it failed or is queued again, for a person.
        accepted_at, changed_at: in seconds since 1970.
        expires_at: when it expires, in seconds since 1970; None for never.
    """

    picture_id: int
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
    """Return the pictures in these states, oldest first; at most `limit` unless it is negative."""
    marks = ", ".join("?" * len(states))
    query = f"SELECT {COLUMNS} FROM pictures WHERE state IN ({marks}) ORDER BY image LIMIT ?"  # noqa: S608 - marks, names
    return [entry_of(row) for row in database.execute(query, (*states, limit))]


def entry_of(row: tuple[int, str, str, int, int, int, str | None, float, float, float | None]) -> OutboxEntry:
    """Return the entry of one row of `COLUMNS`."""
    picture_id, name, state, size, jpeg_size, attempts, reason, accepted_at, changed_at, expires_at = row
    return OutboxEntry(
        picture_id=picture_id,
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
