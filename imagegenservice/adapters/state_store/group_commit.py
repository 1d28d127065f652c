"""Many small writes, one fsync: whoever waits at the same time shares a transaction."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, Full, Queue
from threading import Thread
from typing import Any, TypeVar

from ...errors import Overloaded, ServiceError, StorageError, Unavailable

T = TypeVar("T")
Write = Callable[[sqlite3.Connection], T]
"""
One or more statements inside a transaction that somebody else opens and commits.

It raises StorageError before it changed anything, or lets sqlite3.Error through.
"""

MOST_WAITING = 1000
MOST_TOGETHER = 128

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Job:
    write: Write[Any]
    future: Future[Any] = field(default_factory=Future)


class GroupCommit:
    """
    A thread that owns a connection and writes through it.

    Each write keeps its own success or StorageError; the transaction around them is durable before
    anybody hears of either. A write that is cancelled while it waits is not made.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._jobs: Queue[_Job | None] = Queue(MOST_WAITING)
        self._thread = Thread(target=self._work, name="state-store-writer", daemon=True)
        self._thread.start()

    def submit(self, write: Write[T]) -> Future[T]:
        """Raises Overloaded when too many writes wait. The future raises StorageError or ServiceError."""
        job = _Job(write)
        try:
            self._jobs.put_nowait(job)
        except Full:
            raise Overloaded("Too many writes wait for the state store.") from None
        return job.future

    def close(self) -> None:
        """Finish what waits, then close the connection."""
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        more = True
        while more:
            jobs = self._waiting()
            more = None not in jobs
            batch = [job for job in jobs if job is not None and job.future.set_running_or_notify_cancel()]
            if batch:
                self._commit(batch)
        self._connection.close()

    def _waiting(self) -> list[_Job | None]:
        """At least one, and whoever else is there by now."""
        jobs = [self._jobs.get()]
        try:
            while jobs[-1] is not None and len(jobs) < MOST_TOGETHER:
                jobs.append(self._jobs.get_nowait())
        except Empty:
            pass
        return jobs

    def _commit(self, batch: list[_Job]) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            outcomes = [self._outcome(job) for job in batch]
            self._connection.execute("COMMIT")
        except Exception as exc:  # noqa: BLE001 - whatever it is, the callers get it and the thread goes on
            self._undo()
            error = translated(exc) if isinstance(exc, sqlite3.Error) else exc
            for job in batch:
                job.future.set_exception(error)
            return
        for job, (result, refusal) in zip(batch, outcomes, strict=True):
            if refusal:
                job.future.set_exception(refusal)
            else:
                job.future.set_result(result)

    def _outcome(self, job: _Job) -> tuple[Any, StorageError | None]:
        try:
            return job.write(self._connection), None
        except StorageError as exc:
            return None, exc

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
