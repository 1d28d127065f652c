"""A state store in this process, for tests and for trying things out. It forgets everything at its end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from typing import Self

from ...errors import AlreadyExists, VersionConflict
from ...model import Document
from ...ports import StateStore, Surroundings
from ...urls import AdapterUrl
from .bodies import read, written


@dataclass(frozen=True, slots=True)
class _Kept:
    document: Document
    """Without its body."""
    text: str
    born: int

    def given_out(self) -> Document:
        return replace(self.document, body=read(self.text))

    def expired(self, now: datetime) -> bool:
        end = self.document.expires_at
        return end is not None and end <= now


class Memory(StateStore):
    """memory://. No method waits for anything, so each is atomic on the event loop."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._numbers = count(1)

    @classmethod
    @asynccontextmanager
    async def open(cls, url: AdapterUrl, surroundings: Surroundings) -> AsyncIterator[Self]:  # noqa: ARG003
        """It needs nothing and takes no options."""
        url.bare()
        yield cls()

    async def create(self, document: Document) -> Document:
        """Store a new document."""
        there = self._kept.get((document.kind, document.id))
        if there and not there.expired(datetime.now(UTC)):
            raise AlreadyExists
        return self._keep(document, next(self._numbers))

    async def get(self, kind: str, id: str) -> Document | None:  # noqa: A002
        """A copy, as from any other store."""
        there = self._kept.get((kind, id))
        return there.given_out() if there and not there.expired(datetime.now(UTC)) else None

    async def replace(self, document: Document) -> Document:
        """Compare and set."""
        return self._keep(document, self._current(document).born)

    async def delete(self, document: Document) -> None:
        """Compare and delete."""
        self._current(document)
        del self._kept[document.kind, document.id]

    async def tagged(self, kind: str, tag: str, limit: int) -> list[Document]:
        """In the order of their creation."""
        now = datetime.now(UTC)
        found = [
            kept
            for (of_kind, _), kept in self._kept.items()
            if of_kind == kind and kept.document.tag == tag and not kept.expired(now)
        ]
        found.sort(key=lambda kept: kept.born)
        return [kept.given_out() for kept in found[:limit]]

    async def expired(self, kind: str, limit: int) -> list[Document]:
        """In the order in which they expired."""
        now = datetime.now(UTC)
        found = [
            (kept.document.expires_at, kept.born, kept)
            for (of_kind, _), kept in self._kept.items()
            if of_kind == kind and kept.document.expires_at and kept.expired(now)
        ]
        found.sort(key=lambda row: row[:2])
        return [kept.given_out() for _, _, kept in found[:limit]]

    def _current(self, document: Document) -> _Kept:
        there = self._kept.get((document.kind, document.id))
        if there is None or there.document.version != document.version:
            raise VersionConflict
        return there

    def _keep(self, document: Document, born: int) -> Document:
        text = written(document.body)
        stored = replace(document, version=str(next(self._numbers)))
        self._kept[document.kind, document.id] = _Kept(replace(stored, body={}), text, born)
        return stored
