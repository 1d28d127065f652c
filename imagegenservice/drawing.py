"""Carries one generation from the queue to its end. Works from the record alone, so any process can."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from .bulletin import Bulletin
from .chain import Chain, Drawn, EngineCommission
from .errors import Cancelled, DrawingFailed, GenerationNotFound, KeyNotFound, Refusal, ServiceError
from .failpoints import crash_at
from .fingerprints import Entry, Fingerprints, Result
from .gallery import Gallery
from .ledger import Ledger
from .model import Asset, Fault, Generation, Picture, Stage, Status
from .ports import ProductPictures
from .records import FREE, Claim, HeldByAnother, Records, advance, finished
from .references import fetch_references
from .spans import Steps
from .telemetry import Metrics, carrying
from .turns import FairTurns

log = logging.getLogger(__name__)

PROGRESS: Final = {
    Stage.QUEUED: 0,
    Stage.GATHERING: 5,
    Stage.DRAWING: 15,
    Stage.FINISHING: 85,
    Stage.STORING: 92,
    Stage.DONE: 100,
}
"""How far a generation is when a stage begins, in percent."""

_STEP: Final = 5
_PAUSE: Final = 0.25
_STORING_TRIES: Final = 6
_ATTEMPTS: Final = 10
"""How often a drawing is begun: one that ends its process each time must not do so for ever."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What drawing needs."""

    records: Records
    fingerprints: Fingerprints
    bulletin: Bulletin
    gallery: Gallery
    chain: Chain
    pictures: ProductPictures
    turns: FairTurns
    metrics: Metrics
    timeout: float
    unknown_outcome_retries: int
    alive: Callable[[], bool]


class Carrier:
    """Carries one claimed generation to its end."""

    def __init__(self, tools: Tools, claim: Claim) -> None:
        self._tools = tools
        self._claim = claim
        self._ledger = Ledger(claim, tools.unknown_outcome_retries, tools.metrics, tools.alive)
        self._share = 0.0
        self._moved = asyncio.Event()
        self._salvaging = False
        self._entered = time.monotonic()
        self._steps = Steps(Stage.QUEUED)

    @property
    def paying(self) -> bool:
        """True from a paid call's start on: what it brings is kept, whatever became of the order."""
        return self._ledger.calling or self._ledger.answered

    async def carry(self) -> None:
        """Raises HeldByAnother when there is nothing left to do here, Unavailable when a store is away."""
        with carrying(self._claim.generation) as here:
            try:
                with self._steps:
                    await self._ledger.recover()
                    await self._lead_or_follow()
            except Refusal as exc:
                here.end(exc)
                await self._fail(exc.reason, exc.public)
            finally:
                self._claim.forget_noted()

    async def _lead_or_follow(self) -> None:
        fingerprints = self._tools.fingerprints
        while True:
            order = self._claim.generation
            entry = await fingerprints.claim(order.fingerprint, order.id, order.expires_at)
            crash_at("claimed")
            if entry.result is not None and await self._accept(entry.result, from_cache=True):
                return
            if entry.result is None and entry.generation_id == order.id:
                await self._draw(entry)
                return
            if entry.result is None and await self._follow(entry):
                return
            await fingerprints.take_over(entry, order.id, order.expires_at)

    async def _accept(self, result: Result, *, from_cache: bool) -> bool:
        """Finish with a picture that another generation drew; False when it is gone."""
        if not await self._tools.gallery.renew(result.asset, self._claim.generation.expires_at):
            return False
        await self._complete(result.asset, result, from_cache=from_cache)
        return True

    async def _follow(self, entry: Entry) -> bool:
        """Wait for the generation that draws the same; False when it ended without an answer for us."""
        tools = self._tools
        try:
            leader = await tools.records.get(entry.generation_id)
            async with aclosing(tools.bulletin.follow(leader, tools.records.get)) as states:
                async for leader in states:
                    if not leader.finished:
                        await self._show(leader.stage, leader.progress)
        except GenerationNotFound:
            return False
        if leader.completed_at is not None and leader.completed_at < self._claim.generation.created_at:
            return False  # it ended before this order, and nothing worth keeping came of it
        if leader.status is Status.COMPLETED and leader.asset is not None:
            result = Result(asset=leader.asset, engine=leader.engine, engine_faults=leader.engine_faults)
            return await self._accept(result, from_cache=False)
        if leader.finished and leader.fault is not None and leader.fault.reason != Cancelled.reason:
            await self._fail(leader.fault.reason, leader.fault.message)
            return True
        await self._until_free(leader.id)
        return False

    async def _until_free(self, leader_id: str) -> None:
        # A cancelled generation may still wait for a paid call, whose picture is then ours for nothing.
        while True:
            try:
                if not (await self._tools.records.claim(leader_id)).holder:
                    return
            except GenerationNotFound:
                return
            await asyncio.sleep(_PAUSE)

    async def _draw(self, entry: Entry) -> None:
        order = self._claim.generation
        if order.attempts >= _ATTEMPTS:
            raise DrawingFailed(
                "It was begun too often and never came to an end.", reason="TOO_MANY_ATTEMPTS"
            )
        async with self._tools.turns.turn(order.owner):
            begin = time.monotonic()
            await self._enter(Stage.GATHERING, at_once=True, attempts=order.attempts + 1)
            references, complete = await fetch_references(order.brief, self._tools.pictures)
            background = await self._background(order)
            await self._enter(Stage.DRAWING)
            commission = EngineCommission(order.brief, references, background, self._ledger, self._report)
            async with self._showing_progress():
                drawn = await self._tools.chain.draw(
                    commission, self._tools.timeout - (time.monotonic() - begin)
                )
        await self._finish(drawn, entry, complete=complete)

    async def _background(self, order: Generation) -> bytes | None:
        if not order.brief.background:
            return None
        try:
            return await self._tools.gallery.read(order.brief.background)
        except KeyNotFound as exc:
            raise DrawingFailed("The background has expired.", reason="BACKGROUND_EXPIRED") from exc

    async def _finish(self, drawn: Drawn, entry: Entry, *, complete: bool) -> None:
        order = self._claim.generation
        await self._enter(Stage.FINISHING)
        await self._enter(Stage.STORING)
        asset = await self._store(drawn.drawing.picture, order, str(drawn.drawing.source_type))
        result = Result(asset=asset, engine=drawn.engine, engine_faults=drawn.faults)
        # What a fallback drew, or what lacks a product's picture, is not what the next order should get.
        worth_keeping = complete and not drawn.faults
        if worth_keeping:
            await self._tools.fingerprints.settle(entry, result, order.expires_at)
            crash_at("indexed")
        await self._complete(asset, result, from_cache=False)
        if not worth_keeping:
            await self._tools.fingerprints.release(order.fingerprint, order.id)

    async def _store(self, picture: Picture, order: Generation, source_type: str) -> Asset:
        # The picture may have been paid for: it is worth a few tries.
        for attempt in range(_STORING_TRIES):
            try:
                return await self._tools.gallery.keep(picture, order.expires_at, source_type=source_type)
            except ServiceError as exc:
                log.warning("the picture could not be stored", extra={"attempt": attempt, "cause": str(exc)})
                await asyncio.sleep(_PAUSE * 2**attempt)
        raise DrawingFailed("The picture was drawn, but could not be stored.", reason="STORAGE_UNAVAILABLE")

    async def _enter(self, stage: Stage, *, at_once: bool = False, **changes: object) -> None:
        if self._salvaging:
            return
        before = self._claim.generation.stage
        try:
            self._claim.note(lambda now: advance(now, stage=stage, progress=PROGRESS[stage], **changes))
            if at_once:
                await self._claim.store_noted()
        except HeldByAnother:
            # Cancelled while a paid call was under way: what it brought is kept for the next order.
            if not (self._claim.generation.finished and self._ledger.answered):
                raise
            self._salvaging = True
        self._steps.next(stage)
        self._tools.metrics.stage(before, time.monotonic() - self._entered)
        self._entered = time.monotonic()

    async def _show(self, stage: Stage, progress: int) -> None:
        shown = self._claim.generation
        if (stage, progress) != (shown.stage, shown.progress) and progress >= shown.progress:
            await self._claim.change(lambda now: advance(now, stage=stage, progress=progress))

    def _report(self, share: float) -> None:
        self._share = max(self._share, share)
        self._moved.set()

    @asynccontextmanager
    async def _showing_progress(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._show_progress())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _show_progress(self) -> None:
        floor, ceiling = PROGRESS[Stage.DRAWING], PROGRESS[Stage.FINISHING]
        while True:
            await self._moved.wait()
            self._moved.clear()
            progress = floor + int(self._share * (ceiling - floor))
            if progress >= self._claim.generation.progress + _STEP:
                try:
                    await self._show(Stage.DRAWING, progress)
                except (HeldByAnother, ServiceError):
                    continue  # the drawing itself finds out at its next stage
            await asyncio.sleep(_PAUSE)

    async def _complete(self, asset: Asset, result: Result, *, from_cache: bool) -> None:
        crash_at("before-terminal")
        await self._claim.change(
            lambda now: finished(
                now,
                asset=asset,
                engine=result.engine,
                engine_faults=result.engine_faults,
                from_cache=from_cache,
            ),
            holder="",
        )
        crash_at("terminal")
        self._tools.metrics.finished(self._claim.generation)

    async def _fail(self, reason: str, message: str) -> None:
        fault = Fault(reason=reason, message=message)
        order = await self._claim.change(lambda now: finished(now, fault=fault), holder="")
        self._tools.metrics.finished(order)
        await self._tools.fingerprints.release(order.fingerprint, order.id)

    async def fail_unforeseen(self, incident: str) -> None:
        """End it as failed after a fault of our own. Raises HeldByAnother, Unavailable."""
        await self._fail("INTERNAL", f"The service failed (incident {incident}).")

    async def let_go(self) -> None:
        """After a cancellation: nobody works on it any more. Raises HeldByAnother, Unavailable."""
        await self._claim.refresh()
        holder = "" if self._claim.generation.finished else FREE
        order = await self._claim.change(lambda now: now, holder=holder, anyway=True)
        await self._tools.fingerprints.release(order.fingerprint, order.id)

    async def hand_back(self, holder: str) -> None:
        """Leave it to whoever sees it first. Raises HeldByAnother, Unavailable."""
        await self._claim.change(
            lambda now: advance(now, stage=Stage.QUEUED, progress=now.progress), holder=holder
        )
