"""The file of the SQLite state store: made, recognised, or refused with a reason."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from ...errors import ConfigurationError

APPLICATION_ID = 0x494D4753
"""IMGS: tells our file from any other SQLite database."""
SCHEMA_VERSION = 1

_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS documents (
    born INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    version TEXT NOT NULL,
    tag TEXT NOT NULL,
    expires_at INTEGER,
    body TEXT NOT NULL,
    UNIQUE (kind, id)
);
CREATE INDEX IF NOT EXISTS documents_by_tag ON documents (kind, tag, born);
CREATE INDEX IF NOT EXISTS documents_by_end ON documents (kind, expires_at) WHERE expires_at IS NOT NULL;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""


def connect(path: Path, timeout: float) -> sqlite3.Connection:
    """A connection whose commits are on the disk when they return, for use by one thread at a time."""
    connection = sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
    try:
        # FULL: the write-ahead log is synced at each commit, so that a power cut takes nothing back.
        connection.execute("PRAGMA synchronous = FULL")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def prepare(path: Path, timeout: float) -> sqlite3.Connection:
    """
    A connection to a file with the current schema.

    Raises ConfigurationError when the file cannot be written, is broken, is something else, or was written
    by a later version of the service.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return _patiently(path, timeout)
    except OSError as exc:
        raise ConfigurationError(f"the folder of the state store {path} cannot be made: {exc}") from exc
    except sqlite3.Error as exc:
        raise ConfigurationError(f"the state store {path} cannot be used: {exc}") from exc


def _patiently(path: Path, timeout: float) -> sqlite3.Connection:
    # Of two who make the file at the same time SQLite refuses one at once, whatever its timeout: the change
    # to a write-ahead log does not wait for locks.
    end = time.monotonic() + timeout
    while True:
        try:
            return _prepared(path, timeout)
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
        time.sleep(0.02)


def _prepared(path: Path, timeout: float) -> sqlite3.Connection:
    connection = connect(path, timeout)
    try:
        _check(connection, path)
        # Also a proof that the file can be written.
        connection.executescript(_SCHEMA)
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection, path: Path) -> None:
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    owner = connection.execute("PRAGMA application_id").fetchone()[0]
    if tables and owner != APPLICATION_ID:
        raise ConfigurationError(f"{path} is a database of something else")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise ConfigurationError(
            f"the state store {path} was written by a later version of the service"
            f" (schema {version}, known up to {SCHEMA_VERSION})"
        )
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise ConfigurationError(f"the state store {path} cannot use a write-ahead log on this file system")
    trouble = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if trouble != "ok":
        raise ConfigurationError(f"the state store {path} is damaged: {trouble}")
