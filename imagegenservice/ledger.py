"""The ledger of paid calls: an intent is stored before each, its outcome after it."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from .errors import ImageGenError, OutcomeUnknown
from .failpoints import crash_at
from .model import Generation, PaidCall
from .ports import PaidCallSlot
from .records import Claim, HeldByAnother, now
from .telemetry import Metrics

log = logging.getLogger(__name__)


class Slot(PaidCallSlot):
    """What the adapter says of the call it made."""

    def __init__(self, call: PaidCall) -> None:
        self.call = call

    def answered(
        self, *, model_version: str = "", usage: Mapping[str, int] | None = None, detail: str = ""
    ) -> None:
        self._settle(outcome="answered", model_version=model_version, usage=dict(usage or {}), detail=detail)

    def declined(self, detail: str) -> None:
        self._settle(outcome="declined", detail=detail)

    def _settle(self, **changes: object) -> None:
        self.call = self.call.model_copy(update=changes)

    @property
    def settled(self) -> bool:
        """True once the adapter has said what became of the call."""
        return self.call.outcome != "open"


class Ledger:
    """
    The paid calls of one generation. *retries* unknown outcomes may be paid for again.

    *alive* says whether this process still holds its lease: a process that stood still between the intent
    and the call does not make it.
    """

    def __init__(
        self, claim: Claim, retries: int, metrics: Metrics, alive: Callable[[], bool] = lambda: True
    ) -> None:
        self._claim = claim
        self._alive = alive
        self._metrics = metrics
        self._retries = retries
        # Of an earlier life of this generation even an answer is lost: only its picture would have helped.
        self._lost = sum(call.outcome != "declined" for call in claim.generation.ledger)

    @property
    def may_pay(self) -> bool:
        """False once a paid call's answer was lost and must not silently be paid for again."""
        return self._lost <= self._retries

    @property
    def calling(self) -> bool:
        """True while a paid call is under way."""
        return any(call.outcome == "open" for call in self._claim.generation.ledger)

    @property
    def answered(self) -> bool:
        """True once a paid call was answered."""
        return any(call.outcome == "answered" for call in self._claim.generation.ledger)

    async def recover(self) -> None:
        """Mark as unknown what a dead process left open."""
        if self.calling:
            await self._claim.change(_close_open_calls)

    @asynccontextmanager
    async def paid_call(self, engine: str) -> AsyncIterator[Slot]:
        """See ports.Commission.paid_call."""
        if not self.may_pay:
            raise OutcomeUnknown
        slot = Slot(PaidCall(id=secrets.token_hex(8), engine=engine, started_at=now()))
        await self._claim.change(lambda generation: _with(generation, slot.call))
        crash_at("intent")
        if not self._alive():
            slot.declined("not made: the lease had run out")
            await self._close(slot)
            raise HeldByAnother
        try:
            yield slot
        except BaseException as exc:
            settled = slot.settled  # closing marks it as unknown otherwise
            await self._close(slot)
            if settled or not isinstance(exc, Exception):
                raise
            log.warning(
                "the outcome of a paid call is unknown", extra={"engine": engine, "cause": repr(type(exc))}
            )
            raise OutcomeUnknown from exc
        await self._close(slot)

    async def _close(self, slot: Slot) -> None:
        if not slot.settled:
            slot.call = slot.call.model_copy(update={"outcome": "unknown"})
            self._lost += 1
        self._metrics.paid_calls.labels(slot.call.engine, slot.call.outcome).inc()
        # Shielded: a cancelled drawing has still to say what became of its call.
        crash_at("answered")
        await asyncio.shield(self._store(slot.call))
        crash_at("outcome-stored")

    async def _store(self, call: PaidCall) -> None:
        try:
            await self._claim.change(lambda generation: _with(generation, call), anyway=True)
        except HeldByAnother:
            log.warning("another worker holds the generation of a paid call", extra={"engine": call.engine})
        except ImageGenError:
            # The intent stays open in the store: nobody pays for it again without being told to.
            log.exception("the outcome of a paid call could not be stored", extra={"engine": call.engine})


def _with(generation: Generation, call: PaidCall) -> Generation:
    others = tuple(other for other in generation.ledger if other.id != call.id)
    return generation.model_copy(update={"ledger": (*others, call)})


def _close_open_calls(generation: Generation) -> Generation:
    closed = tuple(
        call.model_copy(update={"outcome": "unknown"}) if call.outcome == "open" else call
        for call in generation.ledger
    )
    return generation.model_copy(update={"ledger": closed})
