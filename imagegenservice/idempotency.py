"""The same key is the same generation, however often it is sent."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Final

from .errors import AlreadyExists, IdempotencyKeyReused, Unavailable
from .model import Document
from .ports import StateStore
from .records import now

KIND: Final = "idempotency"
KEPT: Final = timedelta(hours=48)


class IdempotencyKeys:
    """Keys belong to their owner and method; another owner's same key is another key."""

    def __init__(self, store: StateStore) -> None:
        self._store = store

    async def find(self, owner: str, key: str, request_hash: str) -> str | None:
        """The generation that this key stands for. Raises IdempotencyKeyReused, Unavailable."""
        document = await self._store.get(KIND, _id(owner, key))
        if document is None:
            return None
        if document.body["request"] != request_hash:
            raise IdempotencyKeyReused
        return str(document.body["generation_id"])

    async def claim(self, owner: str, key: str, request_hash: str, generation_id: str) -> str:
        """
        Let the key stand for *generation_id*, unless it stands for another already; return the one.

        Raises IdempotencyKeyReused, Unavailable.
        """
        body = {"request": request_hash, "generation_id": generation_id}
        try:
            await self._store.create(Document(KIND, _id(owner, key), body, expires_at=now() + KEPT))
        except AlreadyExists:
            found = await self.find(owner, key, request_hash)
            if found is None:
                raise Unavailable from None  # it expired at this very moment
            return found
        return generation_id


def _id(owner: str, key: str) -> str:
    return hashlib.sha256(f"GenerateCartImage\0{owner}\0{key}".encode()).hexdigest()
