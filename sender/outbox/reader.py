"""What an outbox holds, for those who only look."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from codec.container.bitstream import Bitstream
from layercast_common.errors import OutboxError
from sender.outbox.database import check_form, translated
from sender.outbox.entries import COLUMNS, PENDING, EntryState, OutboxEntry, entry_of, read_entries


class OutboxReader:
    """The pictures of an open outbox. To be used in any thread.

    Args:
        path: its file.
        database: that file, open.
    """

    def __init__(self, path: Path, database: sqlite3.Connection) -> None:
        self.path = path
        self._database = database
        self._turn = threading.RLock()

    def number_of(self, key: str) -> int | None:
        """The number of the picture that was accepted under a key, if one was and is still remembered."""
        with self._reading() as database:
            found = database.execute("SELECT image FROM pictures WHERE key = ?", (key,)).fetchone()
        return None if found is None else int(found[0])

    def load(self, image: int) -> Bitstream:
        """The stream of a picture that is not delivered.

        Raises:
            OutboxError: there is no such picture, or its stream is gone.
            BitstreamError: the bytes on disk are no stream any more.
        """
        with self._reading() as database:
            found = database.execute("SELECT payload FROM pictures WHERE image = ?", (image,)).fetchone()
        if found is None or found[0] is None:
            raise OutboxError(f"{self.path} holds no stream of picture {image}")
        return Bitstream.from_bytes(found[0])

    def pending(self) -> list[OutboxEntry]:
        """What is still to be delivered, oldest first."""
        return self.entries(PENDING)

    def queued(self, limit: int) -> list[OutboxEntry]:
        """The first pictures to be offered, oldest first, at most `limit`."""
        with self._reading() as database:
            return read_entries(database, (EntryState.QUEUED,), limit)

    def newest(self, limit: int) -> list[OutboxEntry]:
        """The last pictures that were accepted, newest first, at most `limit`."""
        with self._reading() as database:
            rows = database.execute(f"SELECT {COLUMNS} FROM pictures ORDER BY image DESC LIMIT ?", (limit,))  # noqa: S608
            return [entry_of(row) for row in rows]

    def counts(self) -> dict[EntryState, int]:
        """How many pictures are in each state."""
        with self._reading() as database:
            rows = dict(database.execute("SELECT state, COUNT(*) FROM pictures GROUP BY state").fetchall())
        return {state: int(rows.get(state.value, 0)) for state in EntryState}

    def oldest(self) -> float | None:
        """When the oldest picture that is not finished was accepted, in seconds since 1970."""
        with self._reading() as database:
            query = "SELECT MIN(accepted_at) FROM pictures WHERE state IN (?, ?)"
            (found,) = database.execute(query, PENDING).fetchone()
        return None if found is None else float(found)

    def entries(self, states: Sequence[EntryState] = tuple(EntryState)) -> list[OutboxEntry]:
        """The pictures in these states, oldest first."""
        with self._reading() as database:
            return read_entries(database, states)

    def entry(self, image: int) -> OutboxEntry | None:
        """One picture, if it is remembered."""
        with self._reading() as database:
            row = database.execute(f"SELECT {COLUMNS} FROM pictures WHERE image = ?", (image,)).fetchone()  # noqa: S608
        return None if row is None else entry_of(row)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._turn, translated(self.path):
            yield self._database


def look_into(path: Path | str) -> list[OutboxEntry]:
    """The pictures of an outbox, oldest first, whoever uses it at the moment. Changes nothing.

    Raises:
        OutboxError: there is no such outbox, or it cannot be read.
    """
    path = Path(path)
    if not path.is_file():
        raise OutboxError(f"{path} does not exist; layercast send --outbox {path} makes it")
    with translated(path):
        database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            check_form(database, path)
            return OutboxReader(path, database).entries()
        finally:
            database.close()
