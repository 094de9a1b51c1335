"""What was accepted for sending, kept on disk until the receiver has it.

    accept --> QUEUED --offered--> SENT --acknowledged--> DELIVERED
                  ^                  |--refused---------> FAILED --retry--> QUEUED, under a new number
                  +-- link lost -----+--out of time-----> EXPIRED

One SQLite file in WAL mode. It also holds who we are: the stream's id, its epoch, and the numbers of the pictures, none
of which is ever given twice. So a sender that is started again goes on as the one it was, and a receiver knows what it
already has.
"""

import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from codec.container.bitstream import Bitstream
from layercast_common.errors import OutboxError, OutboxFullError
from sender.outbox.database import open_database, translated
from sender.outbox.entries import FINISHED, PENDING, EntryState
from sender.outbox.lock import FileLock
from sender.outbox.reader import OutboxReader

#: Bytes of a stream's id. Receivers tell pictures apart by it for years, so it must not be hit twice by chance.
STREAM_ID_BYTES = 6

#: Characters of a name or a reason that are kept.
MAX_TEXT = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxLimits:
    """What an outbox may come to hold.

    Attributes:
        pending: pictures that wait to be delivered.
        pending_bytes: their streams together, in bytes.
        finished: finished pictures that are remembered; the oldest are forgotten.
    """

    pending: int = 10_000
    pending_bytes: int = 256 * 1024 * 1024
    finished: int = 10_000


class Outbox(OutboxReader):
    """Pictures to send, safe on disk, and how far each is. Use it in a `with`, in one process at a time; in any thread.

    Args:
        path: the file; made if it is not there.
        stream: the id of the stream that the pictures belong to, up to 16 bytes; the file's own, or made up, if None.
        limits: what it may come to hold.
        clock: seconds since 1970.

    Raises:
        OutboxError: another process uses it, it is not an outbox or one of another stream, or the file cannot be used.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        stream: bytes | None = None,
        limits: OutboxLimits | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        path = Path(path)
        self._limits = limits or OutboxLimits()
        self._clock = clock
        self._lock = FileLock(path)
        try:
            super().__init__(path, open_database(path))
            self.stream, self.epoch = self._identity(stream)
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> "Outbox":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file. Everything is on disk already."""
        with self._turn:
            self._database.close()
            self._lock.release()

    def accept(
        self,
        stream: Bitstream,
        *,
        name: str = "",
        key: str | None = None,
        jpeg_size: int = 0,
        lifetime: float | None = None,
    ) -> int:
        """Take a picture in; when this returns it will be delivered though the power fails. Gives its number.

        Args:
            stream: the picture.
            name: what to call it in reports.
            key: what it was made from; of a key that is known nothing is taken in again, and its number is given.
            jpeg_size: bytes of a JPEG of the original, for the receiver to compare with; 0 if unknown.
            lifetime: after how many seconds it is no longer worth sending; None for never.

        Raises:
            OutboxFullError: it holds as much as it may, or its disk is full.
            OutboxError: the file cannot be written.
        """
        payload = stream.to_bytes()
        now = self._clock()
        with self._changing() as database:
            known = None if key is None else self.number_of(key)
            if known is not None:
                return known
            self._check_room(database, len(payload))
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

    def begin(self, image: int) -> None:
        """Note that a picture is being offered."""
        with self._changing() as database:
            self._move(database, image, EntryState.SENT, None, attempts=1)

    def put_back(self, image: int, reason: str) -> None:
        """Note that a picture must be offered again."""
        with self._changing() as database:
            self._move(database, image, EntryState.QUEUED, reason)

    def finish(self, image: int, state: EntryState, reason: str | None = None) -> None:
        """Note how a picture ended, and forget the oldest finished ones; the stream of a delivered one goes at once."""
        assert state in FINISHED
        with self._changing() as database:
            self._move(database, image, state, reason)
            if state is EntryState.DELIVERED:
                database.execute("UPDATE pictures SET payload = NULL WHERE image = ?", (image,))
            database.execute(
                "DELETE FROM pictures WHERE image IN (SELECT image FROM pictures WHERE state IN (?, ?, ?)"
                " ORDER BY changed_at DESC, image DESC LIMIT -1 OFFSET ?)",
                (*FINISHED, self._limits.finished),
            )

    def expire(self) -> list[int]:
        """Give up the pictures that wait and whose time is over; gives their numbers."""
        with self._reading() as database:
            rows = database.execute(
                "SELECT image FROM pictures WHERE state = ? AND expires_at <= ?", (EntryState.QUEUED, self._clock())
            ).fetchall()
        for (image,) in rows:
            self.finish(image, EntryState.EXPIRED, "its time was over before it could be sent")
        return [image for (image,) in rows]

    def retry(self) -> int:
        """Queue again what failed or expired; gives how many. Under new numbers: receivers remember the old ones."""
        now = self._clock()
        with self._changing() as database:
            rows = database.execute(
                "SELECT image, size FROM pictures WHERE state IN (?, ?) AND payload IS NOT NULL ORDER BY image",
                (EntryState.FAILED, EntryState.EXPIRED),
            ).fetchall()
            for image, size in rows:
                self._check_room(database, size)
                database.execute(
                    "UPDATE pictures SET state = ?, changed_at = ?, expires_at = NULL, image ="
                    " (SELECT seq + 1 FROM sqlite_sequence WHERE name = 'pictures') WHERE image = ?",
                    (EntryState.QUEUED, now, image),
                )
                database.execute("UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = 'pictures'")
        return len(rows)

    def forget(self) -> int:
        """Forget every finished picture; gives how many."""
        with self._changing() as database:
            return database.execute("DELETE FROM pictures WHERE state IN (?, ?, ?)", FINISHED).rowcount

    def _identity(self, stream: bytes | None) -> tuple[bytes, int]:
        with self._changing() as database:
            found = database.execute("SELECT stream, epoch FROM identity").fetchone()
            if found is None:
                # An id that was made up is new, and so are its numbers. One that was given may have been used before.
                found = (secrets.token_bytes(STREAM_ID_BYTES), 0) if stream is None else (stream, int(self._clock()))
                database.execute("INSERT INTO identity VALUES (?, ?)", found)
            elif stream is not None and stream != found[0]:
                raise OutboxError(f"{self.path} belongs to another stream; leave its name out, or take another file")
            # What was under way when the last process ended is to be sent again.
            database.execute("UPDATE pictures SET state = ? WHERE state = ?", (EntryState.QUEUED, EntryState.SENT))
        return bytes(found[0]), int(found[1])

    def _check_room(self, database: sqlite3.Connection, size: int) -> None:
        count, held = database.execute(
            "SELECT COUNT(*), COALESCE(SUM(size), 0) FROM pictures WHERE state IN (?, ?)", PENDING
        ).fetchone()
        if count >= self._limits.pending or held + size > self._limits.pending_bytes:
            raise OutboxFullError(
                f"{self.path} is full: {count} pictures of {held} bytes wait; send them, or allow more pictures"
            )

    def _move(
        self, database: sqlite3.Connection, image: int, state: EntryState, reason: str | None, attempts: int = 0
    ) -> None:
        database.execute(
            "UPDATE pictures SET state = ?, reason = ?, changed_at = ?, attempts = attempts + ? WHERE image = ?",
            (state, None if reason is None else reason[:MAX_TEXT], self._clock(), attempts, image),
        )

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it is on disk when the block ends, or none of it ever is."""
        with self._turn, translated(self.path), self._database:
            self._database.execute("BEGIN IMMEDIATE")
            yield self._database
