"""Keyed hashes: what may be stored and shown in place of what must not be."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Self

from .errors import AlreadyExists, Unavailable
from .model import Document
from .ports import StateStore

_KIND = "secret"
_ID = "keyring"


class Keyring:
    """One derived key for each purpose, so that no hash of one tells anything about another."""

    def __init__(self, root: bytes) -> None:
        self._owners = _derive(root, b"owners")
        self._names = _derive(root, b"names")

    @classmethod
    async def open(cls, configured: str, store: StateStore) -> Self:
        """Use the configured key, else the store's own, which is made once. Raises Unavailable."""
        if configured:
            return cls(configured.encode())
        try:
            document = await store.create(Document(_KIND, _ID, {"root": secrets.token_hex(32)}))
        except AlreadyExists:
            found = await store.get(_KIND, _ID)
            if found is None:
                raise Unavailable from None
            document = found
        return cls(bytes.fromhex(document.body["root"]))

    def owner(self, user_id: str) -> str:
        """What stands for a shopper in records and logs; empty for an anonymous one."""
        return hmac.digest(self._owners, user_id.encode(), hashlib.sha256).hex()[:32] if user_id else ""

    def name(self, owner: str, sha256: str) -> str:
        """A name for content that cannot be guessed: 160 bits, hexadecimal."""
        return hmac.digest(self._names, f"{owner}:{sha256}".encode(), hashlib.sha256).hex()[:40]


def _derive(root: bytes, purpose: bytes) -> bytes:
    return hmac.digest(root, purpose, hashlib.sha256)
