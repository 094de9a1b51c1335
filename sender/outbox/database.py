"""The file behind an outbox: its tables, and what may go wrong with it."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from layercast_common.errors import OutboxError, OutboxFullError

#: Marks a SQLite file as ours ("lcob"), and the form of its tables.
APPLICATION_ID = 0x6C636F62
SCHEMA_VERSION = 1

_TABLES = """
CREATE TABLE identity (stream BLOB NOT NULL, epoch INTEGER NOT NULL);
CREATE TABLE pictures (
    image INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT UNIQUE,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    size INTEGER NOT NULL,
    jpeg_size INTEGER NOT NULL,
    payload BLOB,
    attempts INTEGER NOT NULL DEFAULT 0,
    reason TEXT,
    accepted_at REAL NOT NULL,
    changed_at REAL NOT NULL,
    expires_at REAL
);
CREATE INDEX by_state ON pictures (state, image);
"""


def open_database(path: Path) -> sqlite3.Connection:
    """Open an outbox's file, and make it where there is none.

    Raises:
        OutboxError: it is none, or cannot be used.
    """
    with translated(path):
        database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        try:
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version == 0 and not database.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]:
                database.executescript(
                    f"BEGIN; {_TABLES} PRAGMA application_id = {APPLICATION_ID};"
                    f" PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
                )
            check_form(database, path)
            database.execute("PRAGMA journal_mode = WAL")
            # In WAL mode this is what makes a commit survive a power failure, not only a crash.
            database.execute("PRAGMA synchronous = FULL")
        except BaseException:
            database.close()
            raise
    return database


def check_form(database: sqlite3.Connection, path: Path) -> None:
    """Refuse what another program or another version made.

    Raises:
        OutboxError: it is no outbox that we know.
    """
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise OutboxError(f"{path} is a database of another program; name a new file")
    if version != SCHEMA_VERSION:
        raise OutboxError(f"{path} is an outbox of form {version}; this version of layercast knows {SCHEMA_VERSION}")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Errors of SQLite as ours.

    Raises:
        OutboxFullError: the disk has no room.
        OutboxError: anything else.
    """
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            raise OutboxFullError(f"{path} cannot grow, for its disk is full; make room there") from error
        raise OutboxError(f"{path} cannot be used as an outbox: {error}") from error
