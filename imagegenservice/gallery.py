"""Where finished pictures live: bytes in object storage, and in the state store until when they are kept."""

from __future__ import annotations

import asyncio
import hashlib
import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, Literal

from .errors import AlreadyExists, Unavailable, VersionConflict
from .failpoints import crash_at
from .imaging.media import SUFFIXES
from .keyring import Keyring
from .model import Asset, Document, Picture
from .ports import ObjectStorage, StateStore
from .records import now

KIND: Final = "asset"
Folder = Literal["pictures", "backgrounds"]
KEY: Final = re.compile(r"(?:pictures|backgrounds)/[0-9a-f]{40}\.(?:jpg|png|webp)")
"""What the key of a stored picture looks like."""

_TRIES = 8
_REMOVAL = timedelta(minutes=1)
_SPARE = timedelta(days=1)


class Gallery:
    """Keeps pictures under names that tell nothing and cannot be guessed."""

    def __init__(
        self, storage: ObjectStorage, store: StateStore, keyring: Keyring, public_url: str = ""
    ) -> None:
        self._storage = storage
        self._store = store
        self._keyring = keyring
        self.public_url = public_url
        """How a browser reaches our HTTP door; set when its port is known."""

    async def keep(
        self,
        picture: Picture,
        until: datetime,
        *,
        folder: Folder = "pictures",
        owner: str = "",
        source_type: str = "",
    ) -> Asset:
        """Store a picture at least until that time. Raises Unavailable."""
        sha256 = hashlib.sha256(picture.data).hexdigest()
        key = f"{folder}/{self._keyring.name(owner, sha256)}{SUFFIXES[picture.media_type]}"
        # Held first, so that no sweep takes the bytes away between being stored and being named.
        if not await self._hold(key, until, create=True):
            raise Unavailable
        crash_at("held")
        await self._storage.put(key, picture.data, picture.media_type)
        crash_at("uploaded")
        return Asset(
            key=key,
            media_type=picture.media_type,
            width=picture.width,
            height=picture.height,
            size=len(picture.data),
            sha256=sha256,
            source_type=source_type,
        )

    async def renew(self, asset: Asset, until: datetime) -> bool:
        """Keep a stored picture at least until that time; False when it is gone. Raises Unavailable."""
        return await self._hold(asset.key, until, create=False)

    async def read(self, key: str) -> bytes:
        """Raises KeyNotFound, Unavailable."""
        return await self._storage.get(key)

    async def url(self, key: str) -> str:
        """An absolute URL that a browser can read. Made when asked for, so that none expires in a record."""
        return await self._storage.url(key) or f"{self.public_url.rstrip('/')}/{key}"

    async def remove(self, document: Document) -> None:
        """Delete an expired picture. Raises VersionConflict if it was renewed, Unavailable."""
        # Marked first: whoever stores the same bytes meanwhile waits until these are gone.
        until = now() + _REMOVAL
        marked = replace(document, body={**document.body, "going": True}, expires_at=until)
        marked = await self._store.replace(marked)
        crash_at("removing")
        await self._storage.delete(document.body["key"])
        await self._store.delete(marked)

    async def remove_strays(self, prefix: str, before: datetime, limit: int) -> int:
        """Delete old objects that no record names; return how many. Raises Unavailable."""
        removed = 0
        for key in await self._storage.list_older(prefix, before, limit):
            removed += await self._remove_stray(key)
        return removed

    async def _remove_stray(self, key: str) -> bool:
        # Marked, as an expired one is: else the same bytes could be stored between the look and the deletion.
        going = Document(KIND, _id(key), {"key": key, "going": True}, expires_at=now() + _REMOVAL)
        try:
            marked = await self._store.create(going)
        except AlreadyExists:
            return False
        await self._storage.delete(key)
        await self._store.delete(marked)
        return True

    async def _hold(self, key: str, until: datetime, *, create: bool) -> bool:
        if create and await self._hold_first(key, until):
            return True
        for attempt in range(_TRIES):
            document = await self._store.get(KIND, _id(key))
            if document is None and not create:
                return False
            if document is not None and document.body.get("going"):
                if not create:
                    return False
                await asyncio.sleep(0.05 * 2**attempt)
                continue
            try:
                await self._extend(document, key, until)
            except (AlreadyExists, VersionConflict):
                continue
            return True
        return False

    async def _hold_first(self, key: str, until: datetime) -> bool:
        # Most pictures are new: then one write does, and no look is needed before it.
        try:
            await self._extend(None, key, until)
        except AlreadyExists:
            return False
        return True

    async def _extend(self, document: Document | None, key: str, until: datetime) -> None:
        # A little longer than asked for: the next order of the same picture, a moment later, writes nothing.
        longer = until + min(_SPARE, (until - now()) / 8)
        if document is None:
            await self._store.create(Document(KIND, _id(key), {"key": key}, expires_at=longer))
        elif document.expires_at is None or document.expires_at < until:
            await self._store.replace(replace(document, expires_at=longer))


def _id(key: str) -> str:
    # A slash separates documents from collections in some stores.
    return key.replace("/", "-")
