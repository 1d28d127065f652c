"""Any state store, left alone while it is away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Self

from ...model import Document
from ...neighbours import Neighbour
from ...ports import StateStore, Surroundings
from ...urls import AdapterUrl
from ..tables import STATE_STORES

PAUSE: Final = 1.0
"""Seconds. Short: nothing goes on without it, and it is usually back soon."""


class WatchedStore(StateStore):
    """The adapter that the URL's scheme names, behind a breaker. `unguarded` is the adapter itself."""

    def __init__(self, inner: StateStore, neighbour: Neighbour) -> None:
        self.unguarded = inner
        self._neighbour = neighbour

    @classmethod
    @asynccontextmanager
    async def open(cls, url: AdapterUrl, surroundings: Surroundings) -> AsyncIterator[Self]:
        async with STATE_STORES.open(url, surroundings) as inner:
            yield cls(inner, surroundings.neighbours.add("state_store", PAUSE))

    async def create(self, document: Document) -> Document:
        with self._neighbour.asked():
            return await self.unguarded.create(document)

    async def get(self, kind: str, id: str) -> Document | None:  # noqa: A002
        with self._neighbour.asked():
            return await self.unguarded.get(kind, id)

    async def replace(self, document: Document) -> Document:
        with self._neighbour.asked():
            return await self.unguarded.replace(document)

    async def delete(self, document: Document) -> None:
        with self._neighbour.asked():
            await self.unguarded.delete(document)

    async def tagged(self, kind: str, tag: str, limit: int) -> list[Document]:
        with self._neighbour.asked():
            return await self.unguarded.tagged(kind, tag, limit)

    async def expired(self, kind: str, limit: int) -> list[Document]:
        with self._neighbour.asked():
            return await self.unguarded.expired(kind, limit)
