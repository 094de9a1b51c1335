"""The outbox: accepted pictures, on disk until the receiver acknowledges them.

    accept --> QUEUED --offered--> SENT --acknowledged--> DELIVERED
                  ^                  |--refused---------> FAILED --retry--> QUEUED, under a new picture id
                  +--disconnected----+--lifetime over---> EXPIRED

The outbox is one SQLite file in WAL mode. The file also holds the sender's identity (stream id and epoch), and no
picture id is used twice. A restarted sender therefore continues under the same identity, and the receiver recognises
the pictures that it already has.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from codec.container.bitstream import Bitstream
from layercast_common.errors import OutboxError, OutboxFullError
from layercast_common.process_lock import ProcessLock
from layercast_common.steady_clock import steady_seconds
from sender.connection.options import SenderIdentity
from sender.outbox.database import open_database, translated_errors
from sender.outbox.entries import FINISHED, PENDING, EntryState
from sender.outbox.reader import OutboxReader

#: Longer names and reasons are cut to this many characters.
MAX_TEXT = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxLimits:
    """Limits of an outbox.

    Attributes:
        pending: undelivered pictures.
        pending_bytes: total size of their streams, in bytes.
        finished: finished pictures to remember; older ones are forgotten.
    """

    pending: int = 10_000
    pending_bytes: int = 256 * 1024 * 1024
    finished: int = 10_000


class Outbox(OutboxReader):
    """Pictures to send, on disk, with the state of each. Thread-safe. Use it as `with`, in one process at a time.

    Args:
        path: the file; created if it does not exist.
        stream_id: the stream that the pictures belong to, at most 16 bytes; the file's own, or generated, if None.
        limits: its limits; the defaults if None.
        clock: returns seconds since 1970.

    Raises:
        OutboxError: another process uses the outbox, the file is not an outbox, belongs to another stream, or cannot be
            read or written.
        UsageError: the stream id is too long.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        stream_id: bytes | None = None,
        limits: OutboxLimits | None = None,
        clock: Callable[[], float] = steady_seconds,
    ) -> None:
        path = Path(path)
        self._limits = limits or OutboxLimits()
        self._clock = clock
        self._file_lock = ProcessLock(path.with_name(f"{path.name}.lock"), path, OutboxError)
        try:
            super().__init__(path, open_database(path))
            #: The sender's identity, which the file keeps.
            self.identity = self._load_identity(stream_id)
        except BaseException:
            self._file_lock.release()
            raise

    def __enter__(self) -> "Outbox":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. All changes are on disk already."""
        with self._lock:
            self._database.close()
            self._file_lock.release()

    def accept(
        self,
        stream: Bitstream,
        *,
        name: str = "",
        key: str | None = None,
        jpeg_size: int = 0,
        lifetime: float | None = None,
    ) -> int:
        """Store a picture for delivery, and return its picture id. It is on disk, safe from a power failure.

        Args:
            stream: the picture.
            name: its name in reports.
            key: idempotency key; if the outbox has it already, nothing is stored and its picture id is returned.
            jpeg_size: bytes of a JPEG of the original, which the receiver shows for comparison; 0 if unknown.
            lifetime: the picture expires after this many seconds; None for never.

        Raises:
            OutboxFullError: the outbox has reached its limit, or its disk is full.
            OutboxError: the file cannot be written.
        """
        payload = stream.to_bytes()
        now = self._clock()
        with self._changing() as database:
            known = None if key is None else self.number_of(key)
            if known is not None:
                return known
            self._check_limits(database, len(payload))
            row = database.execute(
                "INSERT INTO pictures (key, name, state, size, jpeg_size, payload, accepted_at, changed_at, expires_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    key,
                    name[:MAX_TEXT],
                    EntryState.QUEUED,
                    len(payload),
                    jpeg_size,
                    payload,
                    now,
                    now,
                    None if lifetime is None else now + lifetime,
                ),
            )
            assert row.lastrowid is not None
            return row.lastrowid

    def begin(self, picture_id: int) -> None:
        """Record that a picture is offered to a receiver."""
        with self._changing() as database:
            self._set_state(database, picture_id, EntryState.SENT, None, attempts=1)

    def requeue(self, picture_id: int, reason: str) -> None:
        """Record that a picture must be offered again."""
        with self._changing() as database:
            self._set_state(database, picture_id, EntryState.QUEUED, reason)

    def finish(self, picture_id: int, state: EntryState, reason: str | None = None) -> None:
        """Record the final state of a picture, and forget the oldest finished ones over the limit.

        The stream of a delivered picture is removed at once.
        """
        assert state in FINISHED
        with self._changing() as database:
            self._set_state(database, picture_id, state, reason)
            if state is EntryState.DELIVERED:
                database.execute("UPDATE pictures SET payload = NULL WHERE image = ?", (picture_id,))
            database.execute(
                "DELETE FROM pictures WHERE image IN (SELECT image FROM pictures WHERE state IN (?, ?, ?)"
                " ORDER BY changed_at DESC, image DESC LIMIT -1 OFFSET ?)",
                (*FINISHED, self._limits.finished),
            )

    def expire(self) -> list[int]:
        """Expire the queued pictures whose lifetime is over, and return their picture ids."""
        with self._reading() as database:
            rows = database.execute(
                "SELECT image FROM pictures WHERE state = ? AND expires_at <= ?", (EntryState.QUEUED, self._clock())
            ).fetchall()
        for (picture_id,) in rows:
            self.finish(picture_id, EntryState.EXPIRED, "its lifetime ended before it could be sent")
        return [picture_id for (picture_id,) in rows]

    def retry(self) -> int:
        """Queue failed and expired pictures again, and return how many.

        They get new picture ids, because receivers remember the old ones.

        Raises:
            OutboxFullError: the outbox has reached its limit.
        """
        now = self._clock()
        with self._changing() as database:
            rows = database.execute(
                "SELECT image, size FROM pictures WHERE state IN (?, ?) AND payload IS NOT NULL ORDER BY image",
                (EntryState.FAILED, EntryState.EXPIRED),
            ).fetchall()
            for picture_id, size in rows:
                self._check_limits(database, size)
                database.execute(
                    "UPDATE pictures SET state = ?, changed_at = ?, expires_at = NULL, image ="
                    " (SELECT seq + 1 FROM sqlite_sequence WHERE name = 'pictures') WHERE image = ?",
                    (EntryState.QUEUED, now, picture_id),
                )
                database.execute("UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = 'pictures'")
        return len(rows)

    def forget(self) -> int:
        """Remove all finished pictures, and return how many."""
        with self._changing() as database:
            return database.execute("DELETE FROM pictures WHERE state IN (?, ?, ?)", FINISHED).rowcount

    def _load_identity(self, stream_id: bytes | None) -> SenderIdentity:
        with self._changing() as database:
            found = database.execute("SELECT stream, epoch FROM identity").fetchone()
            if found is not None:
                identity = SenderIdentity(stream_id=bytes(found[0]), epoch=int(found[1]))
                if stream_id not in (None, identity.stream_id):
                    message = f"{self.path} belongs to another stream; omit the stream's name, or use another file"
                    raise OutboxError(message, path=self.path)
            else:
                if stream_id is None:
                    identity = SenderIdentity.generate()
                else:
                    # The stream may have been used before, with picture ids that this file does not know.
                    identity = SenderIdentity(stream_id=stream_id, epoch=int(self._clock()))
                database.execute("INSERT INTO identity VALUES (?, ?)", (identity.stream_id, identity.epoch))
            # Pictures that were in flight when the last process ended are sent again.
            database.execute("UPDATE pictures SET state = ? WHERE state = ?", (EntryState.QUEUED, EntryState.SENT))
        return identity

    def _check_limits(self, database: sqlite3.Connection, size: int) -> None:
        count, held = database.execute(
            "SELECT COUNT(*), COALESCE(SUM(size), 0) FROM pictures WHERE state IN (?, ?)", PENDING
        ).fetchone()
        if count >= self._limits.pending or held + size > self._limits.pending_bytes:
            raise OutboxFullError(
                f"{self.path} is full: {count} pictures of {held} bytes are queued; deliver them first", path=self.path
            )

    def _set_state(
        self, database: sqlite3.Connection, picture_id: int, state: EntryState, reason: str | None, attempts: int = 0
    ) -> None:
        database.execute(
            "UPDATE pictures SET state = ?, reason = ?, changed_at = ?, attempts = attempts + ? WHERE image = ?",
            (state, None if reason is None else reason[:MAX_TEXT], self._clock(), attempts, picture_id),
        )

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """Run the block as one transaction: on disk when the block ends, or rolled back."""
        with self._lock, translated_errors(self.path), self._database:
            self._database.execute("BEGIN IMMEDIATE")
            yield self._database
