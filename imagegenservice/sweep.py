"""Takes up what dead processes left behind, and clears away what has expired."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from datetime import timedelta
from typing import Final

from . import fingerprints, gallery, holder, idempotency, records
from .errors import ImageGenError, ServiceError, VersionConflict
from .failpoints import crash_at
from .gallery import Gallery
from .holder import Holder, machine, surely_dead
from .model import Document
from .ports import StateStore
from .records import FREE, Claim, HeldByAnother, Records, now
from .studio import Studio

log = logging.getLogger(__name__)

_BATCH: Final = 100
_STRAYS_AFTER: Final = timedelta(hours=1)
_CLEAR_EVERY: Final = 60.0


class Sweep:
    """Runs three times a lease; each round does a bounded amount."""

    def __init__(
        self,
        store: StateStore,
        recs: Records,
        studio: Studio,
        pictures: Gallery,
        me: Holder,
        lease: float,
    ) -> None:
        self._store = store
        self._records = recs
        self._studio = studio
        self._gallery = pictures
        self._me = me
        self._lease = lease
        self._interval = lease / 3
        self._watched: dict[tuple[str, str], float] = {}

    async def run(self) -> None:
        """Sweep until cancelled."""
        rounds = max(1, round(_CLEAR_EVERY / self._interval))
        count = 0
        while True:
            try:
                await self.take_up()
                if count % rounds == rounds - 1:
                    await self.clear()
            except ServiceError as exc:
                log.warning("the sweep waits for a store", extra={"cause": str(exc)})
            except Exception:
                log.exception("the sweep failed")
            count += 1
            await asyncio.sleep(self._interval)

    async def take_up(self) -> int:
        """Take up what nobody works on; return how many. Raises Unavailable."""
        taken = await self._take(FREE)
        # What we let lie while a store was away, or stored after others took us for dead.
        for name in (self._me.id, *self._me.former):
            taken += await self._take(name)
        for document in await self._dead():
            taken += await self._take(document.id)
            if not await self._records.held_by(document.id, 1):
                await self._bury(document)
        if taken:
            log.info("took up generations", extra={"count": taken})
        return taken

    async def _bury(self, document: Document) -> None:
        try:
            if holder.is_dead(document) or surely_dead(document):
                await self._store.delete(document)
            else:
                await self._store.replace(holder.buried(document))
        except VersionConflict:
            return  # it lives after all, or somebody else cleared it away

    async def _dead(self) -> list[Document]:
        neighbours = await self._store.tagged(holder.KIND, machine(), _BATCH)
        gone = [document for document in neighbours if surely_dead(document)]
        return [*gone, *self._silent(await self._store.expired(holder.KIND, _BATCH))]

    def _silent(self, expired: list[Document]) -> list[Document]:
        """
        Tombstones, and those of whom nothing was heard for a whole lease on our own clock.

        That a lease has run out by the time that is written in it says little: clocks differ. A holder whose
        heartbeat we did not see for a whole lease has not stored one either, and stands still by its own.
        """
        clock = time.monotonic()
        before, self._watched = self._watched, {}
        for document in expired:
            seen = document.id, document.version
            self._watched[seen] = before.get(seen, clock)
        return [
            document
            for document in expired
            if holder.is_dead(document) or clock - self._watched[document.id, document.version] > self._lease
        ]

    async def _take(self, of: str) -> int:
        taken = 0
        for claim in await self._records.held_by(of, _BATCH):
            if self._studio.holds(claim.generation.id):
                continue
            if not self._studio.room:
                break
            taken += await self._take_one(claim)
        return taken

    async def _take_one(self, claim: Claim) -> int:
        order = claim.generation
        try:
            if order.finished:
                await claim.change(lambda same: same, holder="", anyway=True)
                return 0
            self._studio.reserve(order.id, "")
        except (HeldByAnother, ImageGenError):
            return 0
        try:
            await claim.change(lambda same: same, holder=self._me.id)
        except (HeldByAnother, ImageGenError):
            self._studio.release(order.id)
            return 0
        crash_at("swept")
        self._studio.start(claim)
        return 1

    async def clear(self) -> None:
        """Delete what has expired: pictures with their bytes, then records. Raises Unavailable."""
        for document in await self._store.expired(gallery.KIND, _BATCH):
            try:
                await self._gallery.remove(document)
            except VersionConflict:
                continue  # renewed in between
        for kind in (records.KIND, fingerprints.KIND, idempotency.KIND, "background"):
            for document in await self._store.expired(kind, _BATCH):
                try:
                    await self._store.delete(document)
                except VersionConflict:
                    continue
        await self._clear_strays()

    async def _clear_strays(self) -> None:
        # Names are random hexadecimal: a random pair of digits looks at another 256th of them each time.
        part = secrets.token_hex(1)
        for folder in ("pictures", "backgrounds"):
            removed = await self._gallery.remove_strays(f"{folder}/{part}", now() - _STRAYS_AFTER, _BATCH)
            if removed:
                log.info("removed pictures that no record names", extra={"count": removed})
