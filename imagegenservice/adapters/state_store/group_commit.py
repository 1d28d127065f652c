"""Many small writes, one fsync: whoever waits at the same time shares a transaction."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ...errors import Overloaded, ServiceError, StorageError, Unavailable
from .batches import Batches

T = TypeVar("T")
Write = Callable[[sqlite3.Connection], T]
"""
One or more statements inside a transaction that somebody else opens and commits.

It raises StorageError before it changed anything, or lets sqlite3.Error through.
"""

log = logging.getLogger(__name__)


class GroupCommit:
    """
    Writes through a connection that it owns, on a thread of its own.

    Each write keeps its own success or StorageError; the transaction around them is durable before
    anybody hears of either. A write that is cancelled while it waits is not made.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._batches: Batches[Write[Any]] = Batches("state-store-writer", self._commit)

    async def write(self, write: Write[T]) -> T:
        """Raises what *write* raises, Unavailable, and Overloaded when too many writes wait."""
        done: T = await self._batches.ask(write)
        return done

    def close(self) -> None:
        """Finish what waits, then close the connection. Blocks."""
        self._batches.close()
        self._connection.close()

    def _commit(self, writes: Sequence[Write[Any]]) -> Sequence[Any]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            outcomes = [self._outcome(write) for write in writes]
            self._connection.execute("COMMIT")
        except Exception as exc:  # noqa: BLE001 - whatever it is, the callers get it and the thread goes on
            self._undo()
            return [translated(exc) if isinstance(exc, sqlite3.Error) else exc] * len(writes)
        return outcomes

    def _outcome(self, write: Write[Any]) -> object:
        try:
            return write(self._connection)
        except StorageError as exc:
            return exc

    def _undo(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            log.exception("state store could not roll back")


def translated(exc: sqlite3.Error) -> ServiceError:
    """What a caller may know of it; the log knows all."""
    name = getattr(exc, "sqlite_errorname", type(exc).__name__)
    log.error("state store failed", extra={"cause": f"{name}: {exc}"})
    if name == "SQLITE_FULL":
        return Overloaded("The disk of the state store is full.", reason="STORAGE_FULL")
    return Unavailable("The state store did not answer.")
