"""Read access to an outbox."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from codec.container.bitstream import Bitstream
from layercast_common.errors import OutboxError
from sender.outbox.database import check_schema, translated_errors
from sender.outbox.entries import COLUMNS, PENDING, EntryState, OutboxEntry, entry_of, read_entries


class OutboxReader:
    """The pictures of an open outbox. Thread-safe. Every method raises OutboxError if the file cannot be read.

    Args:
        path: the outbox's file.
        database: the open file.
    """

    def __init__(self, path: Path, database: sqlite3.Connection) -> None:
        self.path = path
        self._database = database
        self._lock = threading.RLock()

    def number_of(self, key: str) -> int | None:
        """Return the picture id that was accepted under a key; None if there is none or it was forgotten."""
        with self._reading() as database:
            found = database.execute("SELECT image FROM pictures WHERE key = ?", (key,)).fetchone()
        return None if found is None else int(found[0])

    def load(self, picture_id: int) -> Bitstream:
        """Load the stream of a picture that is not delivered.

        Raises:
            OutboxError: the picture does not exist, or its stream was removed.
            BitstreamError: the bytes on disk are damaged.
        """
        with self._reading() as database:
            found = database.execute("SELECT payload FROM pictures WHERE image = ?", (picture_id,)).fetchone()
        if found is None or found[0] is None:
            raise OutboxError(f"{self.path} holds no stream of picture {picture_id}", path=self.path)
        return Bitstream.from_bytes(found[0])

    def pending(self) -> list[OutboxEntry]:
        """Return the undelivered pictures, oldest first."""
        return self.entries(PENDING)

    def queued(self, limit: int) -> list[OutboxEntry]:
        """Return the queued pictures, oldest first, at most `limit`."""
        with self._reading() as database:
            return read_entries(database, (EntryState.QUEUED,), limit)

    def newest(self, limit: int) -> list[OutboxEntry]:
        """Return the pictures that were accepted last, newest first, at most `limit`."""
        with self._reading() as database:
            rows = database.execute(f"SELECT {COLUMNS} FROM pictures ORDER BY image DESC LIMIT ?", (limit,))  # noqa: S608
            return [entry_of(row) for row in rows]

    def counts(self) -> dict[EntryState, int]:
        """Return the number of pictures in each state."""
        with self._reading() as database:
            rows = dict(database.execute("SELECT state, COUNT(*) FROM pictures GROUP BY state").fetchall())
        return {state: int(rows.get(state.value, 0)) for state in EntryState}

    def oldest(self) -> float | None:
        """Return when the oldest unfinished picture was accepted, in seconds since 1970."""
        with self._reading() as database:
            query = "SELECT MIN(accepted_at) FROM pictures WHERE state IN (?, ?)"
            (found,) = database.execute(query, PENDING).fetchone()
        return None if found is None else float(found)

    def entries(self, states: Sequence[EntryState] = tuple(EntryState)) -> list[OutboxEntry]:
        """Return the pictures in these states, oldest first."""
        with self._reading() as database:
            return read_entries(database, states)

    def entry(self, picture_id: int) -> OutboxEntry | None:
        """Return one picture; None if it does not exist or was forgotten."""
        with self._reading() as database:
            row = database.execute(f"SELECT {COLUMNS} FROM pictures WHERE image = ?", (picture_id,)).fetchone()  # noqa: S608
        return None if row is None else entry_of(row)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, translated_errors(self.path):
            yield self._database


def read_outbox(path: Path | str) -> list[OutboxEntry]:
    """Return the pictures of an outbox, oldest first, without changing it; another process may have it open.

    Raises:
        OutboxError: the outbox does not exist, or cannot be read.
    """
    path = Path(path)
    if not path.is_file():
        raise OutboxError(f"{path} does not exist; layercast send --outbox {path} creates it", path=path)
    with translated_errors(path):
        database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            check_schema(database, path)
            return OutboxReader(path, database).entries()
        finally:
            database.close()
