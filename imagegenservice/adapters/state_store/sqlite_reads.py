"""Reading the SQLite file: by key at once, because handing it to a thread costs ten times the look-up."""

from __future__ import annotations

import sqlite3
import time
from typing import Any, Final

Query = tuple[str, tuple[str | int | None, ...]]
"""What follows FROM documents, and its values."""
COLUMNS: Final = "kind, id, body, tag, expires_at, version"

_SLOW: Final = 0.1
_PAUSE: Final = 30.0


def select(
    connection: sqlite3.Connection, condition: str, values: tuple[str | int | None, ...]
) -> list[tuple[Any, ...]]:
    """The rows of documents. Raises sqlite3.Error."""
    text = f"SELECT {COLUMNS} FROM documents {condition}"  # noqa: S608 - of our own words
    return connection.execute(text, values).fetchall()


class ReadAtOnce:
    """
    Look-ups by key on the event loop, on a connection that never waits for a lock.

    In a write-ahead log readers wait for nobody, and what is asked for by key is in memory: some 20
    microseconds. Where that is not so, because the disk is slow or the file is locked, *select* gives None
    for half a minute, and a thread has to wait.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._not_before = 0.0

    def select(self, condition: str, values: tuple[str | int | None, ...]) -> list[tuple[Any, ...]] | None:
        """The rows; None: ask a thread."""
        begin = time.monotonic()
        if begin < self._not_before:
            return None
        try:
            rows = select(self._connection, condition, values)
        except sqlite3.Error:
            self._not_before = begin + _PAUSE
            return None
        if time.monotonic() - begin > _SLOW:
            self._not_before = begin + _PAUSE
        return rows

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
