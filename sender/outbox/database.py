"""The SQLite file of an outbox: its tables, and its errors."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from layercast_common.errors import OutboxError, OutboxFullError

#: Marks a SQLite file as an outbox ("lcob"), and the version of its tables.
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
    """Open an outbox's file; create it if it does not exist.

    Raises:
        OutboxError: the file is not an outbox, or cannot be read or written.
    """
    with translated_errors(path):
        database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        try:
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version == 0 and not database.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]:
                database.executescript(
                    f"BEGIN; {_TABLES} PRAGMA application_id = {APPLICATION_ID};"
                    f" PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
                )
            check_schema(database, path)
            database.execute("PRAGMA journal_mode = WAL")
            # In WAL mode, only FULL makes commits survive a power failure. NORMAL survives a crash of the process.
            database.execute("PRAGMA synchronous = FULL")
        except BaseException:
            database.close()
            raise
    return database


def check_schema(database: sqlite3.Connection, path: Path) -> None:
    """Refuse files of other programs and of other versions.

    Raises:
        OutboxError: the file is not an outbox of this version.
    """
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise OutboxError(f"{path} is a database of another program; use a new file", path=path)
    if version != SCHEMA_VERSION:
        message = f"{path} is an outbox of format {version}; this version of layercast reads format {SCHEMA_VERSION}"
        raise OutboxError(message, path=path)


@contextmanager
def translated_errors(path: Path) -> Iterator[None]:
    """Raise SQLite's errors within the block as errors of the outbox.

    Raises:
        OutboxFullError: the disk is full.
        OutboxError: any other error of SQLite.
    """
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            message = f"{path} cannot grow: its disk is full; free some space there"
            raise OutboxFullError(message, path=path, errno=errno.ENOSPC) from error
        raise OutboxError(f"{path} cannot be used as an outbox: {error}", path=path) from error
