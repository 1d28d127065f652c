"""A state store in one file, for one machine: nothing to install, and nothing lost in a power cut."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import Field

from ...errors import AlreadyExists, ConfigurationError, Unavailable, VersionConflict
from ...model import Document
from ...ports import StateStore, Surroundings
from ...urls import AdapterUrl, Options
from . import sqlite_file
from .batches import Batches
from .bodies import microseconds, read, written
from .group_commit import GroupCommit, Write, translated
from .sqlite_reads import COLUMNS, Query, ReadAtOnce, select

T = TypeVar("T")


class SqliteOptions(Options):
    """`timeout`: seconds until a call gives up."""

    timeout: float = Field(default=5.0, gt=0, le=60)


class Sqlite(StateStore):
    """
    sqlite:///relative/path.db, sqlite:////absolute/path.db. The folder is made.

    A confirmed write is on the disk. Several processes of one machine may share the file; a network
    file system may not hold it (SQLite's write-ahead log needs shared memory).
    """

    def __init__(self, path: Path, timeout: float) -> None:
        """Raises ConfigurationError when the file cannot be used. Blocks."""
        self._timeout = timeout
        writing = sqlite_file.prepare(path, timeout)
        self._connection = sqlite_file.connect(path, timeout)
        self._at_once = ReadAtOnce(sqlite_file.connect(path, timeout=0))
        self._writer = GroupCommit(writing)
        self._reader: Batches[Query] = Batches("state-store-reader", self._answers)
        self._versions = _versions()

    @classmethod
    @asynccontextmanager
    async def open(cls, url: AdapterUrl, surroundings: Surroundings) -> AsyncIterator[Self]:  # noqa: ARG003
        """Open the file, make it, or refuse it."""
        options = url.options(SqliteOptions)
        if url.host or len(url.path) < len("/x") or url.path.endswith("/"):
            raise ConfigurationError(
                f"{url.text}: write sqlite:///relative/path.db or sqlite:////absolute/path.db"
            )
        store = await asyncio.to_thread(cls, Path(url.path[1:]), options.timeout)
        try:
            yield store
        finally:
            await asyncio.to_thread(store._close)  # noqa: SLF001 - its own class

    async def create(self, document: Document) -> Document:
        """Insert, after the removal of an expired one."""
        stored = replace(document, version=next(self._versions))
        row = (
            *_key(stored),
            written(stored.body),
            stored.tag,
            _end(stored),
            stored.version,
        )

        def insert(connection: sqlite3.Connection) -> None:
            there = connection.execute(
                "SELECT expires_at <= ? FROM documents WHERE kind = ? AND id = ?", (_now(), *_key(stored))
            ).fetchone()
            if there:
                if not there[0]:
                    raise AlreadyExists
                connection.execute("DELETE FROM documents WHERE kind = ? AND id = ?", _key(stored))
            connection.execute(f"INSERT INTO documents ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", row)  # noqa: S608

        await self._write(insert)
        return stored

    async def get(self, kind: str, id: str) -> Document | None:  # noqa: A002
        """One row."""
        condition = "WHERE kind = ? AND id = ? AND (expires_at IS NULL OR expires_at > ?)"
        rows = self._at_once.select(condition, (kind, id, _now()))
        found = (
            await self._read(condition, kind, id, _now()) if rows is None else [_document(*r) for r in rows]
        )
        return found[0] if found else None

    async def replace(self, document: Document) -> Document:
        """Update where the version is still the same."""
        stored = replace(document, version=next(self._versions))
        row = (
            *(written(stored.body), stored.tag, _end(stored), stored.version),
            *(*_key(stored), document.version),
        )
        await self._change(
            "UPDATE documents SET body = ?, tag = ?, expires_at = ?, version = ?"
            " WHERE kind = ? AND id = ? AND version = ?",
            row,
        )
        return stored

    async def delete(self, document: Document) -> None:
        """Delete where the version is still the same."""
        await self._change(
            "DELETE FROM documents WHERE kind = ? AND id = ? AND version = ?",
            (*_key(document), document.version),
        )

    async def tagged(self, kind: str, tag: str, limit: int) -> list[Document]:
        """In the order of their creation."""
        return await self._read(
            "WHERE kind = ? AND tag = ? AND (expires_at IS NULL OR expires_at > ?) ORDER BY born LIMIT ?",
            *(kind, tag, _now(), limit),
        )

    async def expired(self, kind: str, limit: int) -> list[Document]:
        """In the order in which they expired."""
        return await self._read(
            "WHERE kind = ? AND expires_at <= ? ORDER BY expires_at LIMIT ?", kind, _now(), limit
        )

    async def _change(self, statement: str, row: tuple[Any, ...]) -> None:
        def change(connection: sqlite3.Connection) -> None:
            if connection.execute(statement, row).rowcount == 0:
                raise VersionConflict

        await self._write(change)

    async def _write(self, write: Write[T]) -> T:
        return await self._in_time(self._writer.write(write))

    async def _read(self, condition: str, *values: str | int | None) -> list[Document]:
        rows: list[tuple[Any, ...]] = await self._in_time(self._reader.ask((condition, values)))
        return [_document(*row) for row in rows]

    def _answers(self, queries: Sequence[Query]) -> Sequence[Any]:
        return [self._select(query) for query in queries]

    def _select(self, query: Query) -> object:
        try:
            return select(self._connection, *query)
        except sqlite3.Error as exc:
            return translated(exc)

    async def _in_time(self, call: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._timeout):
                return await call
        except TimeoutError:
            raise Unavailable("The state store did not answer in time.") from None

    def _close(self) -> None:
        self._reader.close()
        self._connection.close()
        self._at_once.close()
        self._writer.close()


def _document(kind: str, id: str, body: str, tag: str, expires_at: int | None, version: str) -> Document:  # noqa: A002
    end = (
        None if expires_at is None else datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=expires_at)
    )
    return Document(kind, id, read(body), tag, end, version)


def _key(document: Document) -> tuple[str, str]:
    return document.kind, document.id


def _end(document: Document) -> int | None:
    return None if document.expires_at is None else microseconds(document.expires_at)


def _now() -> int:
    return microseconds(datetime.now(UTC))


def _versions() -> Iterator[str]:
    """Never one that a document had before, in whatever process, also when it was deleted and made again."""
    ours = os.urandom(8).hex()
    return (f"{ours}-{number:x}" for number in count(1))
