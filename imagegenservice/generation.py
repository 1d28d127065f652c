"""The one thing this service does: accept, status, watch, cancel. Drawing is drawing.py's."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta

from .bulletin import Bulletin
from .errors import AlreadyExists, Cancelled, GenerationNotFound, ServiceError
from .failpoints import crash_at
from .fingerprints import Fingerprints, Result, fingerprint
from .gallery import Gallery
from .gather import Gathered, Gatherer
from .holder import Holder
from .idempotency import IdempotencyKeys
from .keyring import Keyring
from .model import Fault, Generation, Revision
from .order import Order
from .records import HeldByAnother, Records, finished, first, now
from .spans import span
from .studio import Studio
from .telemetry import Metrics, looked_up

log = logging.getLogger(__name__)


class Generator:
    """Takes orders and answers for them."""

    def __init__(
        self,
        *,
        gatherer: Gatherer,
        records: Records,
        fingerprints: Fingerprints,
        idempotency: IdempotencyKeys,
        gallery: Gallery,
        keyring: Keyring,
        bulletin: Bulletin,
        studio: Studio,
        holder: Holder,
        engines: list[str],
        metrics: Metrics,
        kept: timedelta,
    ) -> None:
        self._gatherer = gatherer
        self._records = records
        self._fingerprints = fingerprints
        self._idempotency = idempotency
        self._gallery = gallery
        self._keyring = keyring
        self._bulletin = bulletin
        self._studio = studio
        self._holder = holder
        self._engines = engines
        self._metrics = metrics
        self._kept = kept
        self._accepting: dict[object, asyncio.Task[Generation]] = {}

    async def generate(self, order: Order, trace: str = "") -> Generation:
        """
        Accept an order and wait for its picture as long as it says.

        When this returns, the record is stored. A caller that leaves earlier loses nothing: accepting and
        drawing go on. Raises Refusal, Overloaded, Unavailable.
        """
        generation = await asyncio.shield(self._begin(order, trace))
        if order.wait and not generation.finished:
            generation = await self._wait(generation, order.wait)
        crash_at("before-reply")
        return generation

    def _begin(self, order: Order, trace: str) -> asyncio.Task[Generation]:
        # Equal calls with one key that are here at the same time are one call, and take one place.
        call = (order.idempotency_key, order.request_hash) if order.idempotency_key else object()
        task = self._accepting.get(call)
        if task is None:
            task = self._accepting[call] = asyncio.create_task(self._accept(order, trace))
            task.add_done_callback(lambda done: self._accepted(call, done))
        return task

    def _accepted(self, call: object, task: asyncio.Task[Generation]) -> None:
        del self._accepting[call]
        if not task.cancelled():
            task.exception()  # the caller may be gone; nobody else asks for it

    async def _accept(self, order: Order, trace: str) -> Generation:
        owner = self._keyring.owner(order.user_id)
        with span("accept"):
            if order.idempotency_key and (earlier := await self._replay(order, owner)) is not None:
                return earlier
            with self._studio.look(owner):
                with span("gather"):
                    gathered = await self._gatherer.gather(order, owner)
                generation = self._new(gathered, owner, trace)
                result = await self._finished_before(generation)
                if result is None:
                    self._studio.reserve(generation.id, owner)
            try:
                return await self._store(order, generation, result)
            except BaseException:
                self._studio.release(generation.id)
                raise

    async def _replay(self, order: Order, owner: str) -> Generation | None:
        generation_id = await self._idempotency.find(owner, order.idempotency_key, order.request_hash)
        if generation_id is None:
            return None
        try:
            found = await self._records.get(generation_id)
        except GenerationNotFound:
            return None  # the process died between the key and the record: the order is made now
        self._metrics.orders.labels("replayed").inc()
        return found

    def _new(self, gathered: Gathered, owner: str, trace: str) -> Generation:
        background = gathered.background.asset.sha256 if gathered.background else ""
        created = now()
        return Generation(
            id=secrets.token_hex(16),
            owner=owner,
            brief=gathered.brief,
            fingerprint=fingerprint(gathered.brief, background, owner, self._engines),
            left_out=gathered.left_out,
            created_at=created,
            expires_at=created + self._kept,
            trace=trace,
        )

    async def _finished_before(self, generation: Generation) -> Result | None:
        entry = await self._fingerprints.find(generation.fingerprint)
        result = entry.result if entry is not None else None
        if result is not None and not await self._gallery.renew(result.asset, generation.expires_at):
            result = None
        looked_up("pictures", hit=result is not None)
        return result

    async def _store(self, order: Order, generation: Generation, result: Result | None) -> Generation:
        if order.idempotency_key:
            key, request = order.idempotency_key, order.request_hash
            claimed = await self._idempotency.claim(generation.owner, key, request, generation.id)
            crash_at("key-claimed")
            if claimed != generation.id:
                return await self._store_as(claimed, generation, result)
        return await self._add_once(generation, result)

    async def _store_as(self, claimed: str, generation: Generation, result: Result | None) -> Generation:
        # Another replica uses the same key at this moment, or its process died: the quicker one stores it.
        self._studio.release(generation.id)
        try:
            return await self._records.get(claimed)
        except GenerationNotFound:
            if result is None:
                self._studio.reserve(claimed, generation.owner)
        return await self._add_once(generation.model_copy(update={"id": claimed}), result)

    async def _add_once(self, generation: Generation, result: Result | None) -> Generation:
        try:
            return await self._add(generation, result)
        except AlreadyExists:
            self._studio.release(generation.id)
            return await self._records.get(generation.id)
        except BaseException:
            self._studio.release(generation.id)
            raise

    async def _add(self, generation: Generation, result: Result | None) -> Generation:
        if result is not None:
            self._metrics.orders.labels("cached").inc()
            done = finished(first(generation), **_result_fields(result), from_cache=True)
            return (await self._records.add(done, "")).generation
        holder = self._holder.id
        crash_at("before-accept")
        claim = await self._records.add(first(generation), holder)
        crash_at("accepted")
        self._metrics.orders.labels("queued").inc()
        self._studio.start(claim)
        return generation

    async def _wait(self, generation: Generation, seconds: float) -> Generation:
        latest = generation
        try:
            async with (
                asyncio.timeout(seconds),
                aclosing(self._bulletin.follow(generation, self._records.get)) as states,
            ):
                async for latest in states:  # noqa: B007 - the last one counts
                    pass
        except (TimeoutError, ServiceError):
            pass  # the picture takes longer than the caller wants to wait
        return latest

    async def status(self, generation_id: str, user_id: str = "") -> Generation:
        """Raises GenerationNotFound (unknown, expired or somebody else's), Unavailable."""
        return self._visible(await self._records.get(generation_id), user_id)

    async def watch(
        self, generation_id: str, user_id: str = "", from_revision: int = 1
    ) -> AsyncGenerator[tuple[Generation, Revision], None]:
        """
        Give every revision from *from_revision* on, once and in order, up to the terminal one.

        Of a bounded number of past revisions only number, stage and progress are known. Raises
        GenerationNotFound, Unavailable.
        """
        current = await self.status(generation_id, user_id)
        next_number = max(1, from_revision)
        async with aclosing(self._bulletin.follow(current, self._records.get)) as states:
            async for state in states:
                for revision in state.history:
                    if revision.number >= next_number:
                        next_number = revision.number + 1
                        yield state, revision

    async def cancel(self, generation_id: str, user_id: str = "") -> Generation:
        """End it, unless it is finished; return how it stands. Raises GenerationNotFound, Unavailable."""
        claim = await self._records.claim(generation_id)
        self._visible(claim.generation, user_id)
        fault = Fault(reason=Cancelled.reason, message=Cancelled().public)
        while not claim.generation.finished:
            try:
                # Still in the name of its holder, who lets it go when nothing paid is under way.
                await claim.change(lambda order: finished(order, fault=fault))
            except HeldByAnother:
                claim = await self._records.claim(generation_id)
            else:
                self._metrics.finished(claim.generation)
                self._studio.cancelled(generation_id)
        return claim.generation

    def _visible(self, generation: Generation, user_id: str) -> Generation:
        if user_id and generation.owner and self._keyring.owner(user_id) != generation.owner:
            raise GenerationNotFound
        return generation

    def dismiss(self) -> None:
        """Let go of those who still wait or watch: nothing more happens here."""
        self._bulletin.close()

    async def settle(self) -> None:
        """Wait for what is being accepted at the moment."""
        await asyncio.gather(*self._accepting.values(), return_exceptions=True)


def _result_fields(result: Result) -> dict[str, object]:
    return {"asset": result.asset, "engine": result.engine, "engine_faults": result.engine_faults}
