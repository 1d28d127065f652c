"""Keyed hashes: what may be stored and shown in place of what must not be."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from typing import Final

from .errors import AlreadyExists, ServiceError, Unavailable
from .model import Document
from .ports import StateStore

_KIND = "secret"
_ID = "keyring"
_PAUSE: Final = 1.0


class Keyring:
    """
    One derived key for each purpose, so that no hash of one tells anything about another.

    Without a root it waits for `fetch`, and raises Unavailable until then.
    """

    def __init__(self, root: bytes = b"") -> None:
        self._owners = self._names = b""
        if root:
            self._use(root)

    def _use(self, root: bytes) -> None:
        self._owners = _derive(root, b"owners")
        self._names = _derive(root, b"names")

    @property
    def known(self) -> bool:
        """False until the store has told its key."""
        return bool(self._names)

    async def fetch(self, store: StateStore) -> None:
        """Use the store's own key, which is made once. Raises Unavailable."""
        try:
            document = await store.create(Document(_KIND, _ID, {"root": secrets.token_hex(32)}))
        except AlreadyExists:
            found = await store.get(_KIND, _ID)
            if found is None:
                raise Unavailable from None
            document = found
        self._use(bytes.fromhex(document.body["root"]))

    async def fetch_in_time(self, store: StateStore) -> None:
        """The same, again and again until the store answers."""
        while not self.known:
            try:
                await self.fetch(store)
            except ServiceError:
                await asyncio.sleep(_PAUSE)

    def _key(self, key: bytes) -> bytes:
        if not key:
            raise Unavailable
        return key

    def owner(self, user_id: str) -> str:
        """What stands for a shopper in records and logs; empty for an anonymous one. Raises Unavailable."""
        return (
            hmac.digest(self._key(self._owners), user_id.encode(), hashlib.sha256).hex()[:32]
            if user_id
            else ""
        )

    def name(self, owner: str, sha256: str) -> str:
        """A name for content that cannot be guessed: 160 bits, hexadecimal. Raises Unavailable."""
        return hmac.digest(self._key(self._names), f"{owner}:{sha256}".encode(), hashlib.sha256).hex()[:40]


def _derive(root: bytes, purpose: bytes) -> bytes:
    return hmac.digest(root, purpose, hashlib.sha256)
