"""Any object storage: each of its calls measured and in the trace, and none made while it is away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final, Self

from ...neighbours import Neighbour
from ...ports import ObjectStorage, Surroundings
from ...telemetry import call_out
from ...urls import AdapterUrl
from ..tables import OBJECT_STORAGE

_NAME = "object_storage"
PAUSE: Final = 3.0
"""Seconds for which it is left alone at a time."""


class MeasuredStorage(ObjectStorage):
    """The adapter that the URL's scheme names, looked at from outside."""

    def __init__(self, inner: ObjectStorage, neighbour: Neighbour) -> None:
        self._inner = inner
        self._neighbour = neighbour

    @classmethod
    @asynccontextmanager
    async def open(cls, url: AdapterUrl, surroundings: Surroundings) -> AsyncIterator[Self]:
        async with OBJECT_STORAGE.open(url, surroundings) as inner:
            yield cls(inner, surroundings.neighbours.add(_NAME, PAUSE))

    async def put(self, key: str, data: bytes, media_type: str) -> None:
        with self._neighbour.asked(), call_out(_NAME, "put picture") as call:
            call.set("imagegen.bytes", len(data))
            await self._inner.put(key, data, media_type)

    async def get(self, key: str) -> bytes:
        with self._neighbour.asked(), call_out(_NAME, "get picture"):
            return await self._inner.get(key)

    async def delete(self, key: str) -> None:
        with self._neighbour.asked(), call_out(_NAME, "delete picture"):
            await self._inner.delete(key)

    async def list_older(self, prefix: str, before: datetime, limit: int) -> list[str]:
        with self._neighbour.asked(), call_out(_NAME, "list pictures"):
            return await self._inner.list_older(prefix, before, limit)

    async def url(self, key: str) -> str | None:
        # Signing is mostly arithmetic, and called for every answer: not worth a span.
        with self._neighbour.asked():
            return await self._inner.url(key)
