"""An object storage in this process, for tests and for trying things out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Self

from ...errors import AlreadyExists, KeyNotFound
from ...ports import ObjectStorage, Surroundings
from ...urls import AdapterUrl
from .keys import for_writing


class Memory(ObjectStorage):
    """memory://. It forgets everything at its end."""

    def __init__(self) -> None:
        self._objects: dict[str, tuple[datetime, bytes]] = {}

    @classmethod
    @asynccontextmanager
    async def open(cls, url: AdapterUrl, surroundings: Surroundings) -> AsyncIterator[Self]:  # noqa: ARG003
        """It needs nothing and takes no options."""
        url.bare()
        yield cls()

    async def put(self, key: str, data: bytes, media_type: str) -> None:  # noqa: ARG002
        """Equal bytes again count as stored now."""
        _, there = self._objects.get(for_writing(key), (None, data))
        if there != data:
            raise AlreadyExists
        self._objects[key] = datetime.now(UTC), bytes(data)

    async def get(self, key: str) -> bytes:
        """The bytes that were put."""
        if key not in self._objects:
            raise KeyNotFound
        return self._objects[key][1]

    async def delete(self, key: str) -> None:
        """Idempotent."""
        self._objects.pop(key, None)

    async def list_older(self, prefix: str, before: datetime, limit: int) -> list[str]:
        """Oldest first."""
        found = sorted(
            (stored, key)
            for key, (stored, _) in self._objects.items()
            if key.startswith(prefix) and stored < before
        )
        return [key for _, key in found[:limit]]

    async def url(self, key: str) -> str | None:  # noqa: ARG002
        """None: our own HTTP door serves it."""
        return None
