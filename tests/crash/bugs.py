"""Faults that are put into the real code, each by one function, so that the checker can prove its worth."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

from imagegenservice import drawing, gallery, generation, holder, idempotency, ledger, records, sweep
from imagegenservice.failpoints import crash_at
from imagegenservice.model import PaidCall

LATER = 0.5
_tasks: set[asyncio.Task[Any]] = set()


def hurry() -> None:
    """Not a fault: what is cleared away every minute is cleared away every half second."""
    sweep._CLEAR_EVERY = 0.5  # type: ignore[misc]
    gallery._REMOVAL = timedelta(seconds=1)  # type: ignore[misc]


def later(work: Callable[[], Awaitable[Any]]) -> None:
    async def after_a_while() -> None:
        await asyncio.sleep(LATER)
        await work()

    task = asyncio.create_task(after_a_while())
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


def record_after_the_reply() -> None:
    right = generation.Generator._add

    async def wrong(self: Any, order: Any, result: Any) -> Any:
        later(lambda: right(self, order, result))
        return order

    generation.Generator._add = wrong  # type: ignore[method-assign]


def intent_after_the_call() -> None:
    @asynccontextmanager
    async def wrong(self: Any, engine: str) -> Any:
        slot = ledger.Slot(PaidCall(id="x", engine=engine, started_at=records.now()))
        yield slot
        await self._close(slot)

    ledger.Ledger.paid_call = wrong  # type: ignore[method-assign]


def no_fencing() -> None:
    right = records.Records.write

    async def late(self: Any, document: Any, order: Any, name: str) -> Any:
        there = await self._store.get(records.KIND, order.id)
        return await right(self, replace(document, version=there.version), order, name)

    async def wrong(*args: Any) -> Any:
        # Shielded: what is on its way cannot be called back by a process that learns that it was given up.
        return await asyncio.shield(late(*args))

    records.Records.write = wrong  # type: ignore[method-assign]
    holder.Holder.alive = True  # type: ignore[method-assign,assignment]


def terminal_twice() -> None:
    right = drawing.Carrier._complete

    async def wrong(self: Any, *args: Any, **kwargs: Any) -> None:
        await right(self, *args, **kwargs)
        again = self._claim.generation
        await self._claim.change(lambda _: records.finished(again, asset=again.asset), holder="", anyway=True)

    drawing.Carrier._complete = wrong  # type: ignore[method-assign]


def no_heartbeat() -> None:
    async def wrong(self: Any) -> None:
        await asyncio.Event().wait()

    holder.Holder._beat = wrong  # type: ignore[method-assign]
    holder.Holder.alive = True  # type: ignore[method-assign,assignment]


def record_before_the_bytes() -> None:
    async def wrong(self: Any, picture: Any, until: Any, **kwargs: Any) -> Any:
        storage = self._storage

        class Lazy:
            async def put(self, *args: Any) -> None:
                later(lambda: storage.put(*args))

        self._storage = Lazy()
        try:
            return await keep(self, picture, until, **kwargs)
        finally:
            self._storage = storage

    keep = gallery.Gallery.keep
    gallery.Gallery.keep = wrong  # type: ignore[method-assign]


def key_of_a_refused_request() -> None:
    right = generation.Generator._accept

    async def wrong(self: Any, order: Any, trace: str) -> Any:
        if order.idempotency_key:
            owner = self._keyring.owner(order.user_id)
            await self._idempotency.claim(owner, order.idempotency_key, order.request_hash, "0" * 32)
        return await right(self, order, trace)

    generation.Generator._accept = wrong  # type: ignore[method-assign]


def sweep_takes_what_lives() -> None:
    def wrong(self: Any, expired: list[Any]) -> list[Any]:
        return expired

    sweep.Sweep._silent = wrong  # type: ignore[method-assign]
    holder.Holder._shown = timedelta(0)  # type: ignore[method-assign,assignment]


def key_forgotten() -> None:
    async def wrong(self: Any, owner: str, key: str, request_hash: str, generation_id: str) -> str:
        return generation_id

    idempotency.IdempotencyKeys.claim = wrong  # type: ignore[method-assign]


def paid_again() -> None:
    ledger.Ledger.may_pay = True  # type: ignore[method-assign,assignment]


def shown_to_everybody() -> None:
    generation.Generator._visible = lambda self, found, user_id: found  # type: ignore[method-assign]


def bytes_forgotten() -> None:
    async def wrong(self: Any, document: Any) -> None:
        await self._store.delete(document)
        crash_at("removing")
        await self._storage.delete(document.body["key"])

    gallery.Gallery.remove = wrong  # type: ignore[method-assign]


def left_lying() -> None:
    async def wrong(self: Any) -> int:
        return 0

    sweep.Sweep.take_up = wrong  # type: ignore[method-assign]


BUGS: dict[str, Callable[[], None]] = {
    bug.__name__: bug
    for bug in (
        *(record_after_the_reply, intent_after_the_call, no_fencing, terminal_twice, no_heartbeat),
        *(record_before_the_bytes, key_of_a_refused_request, sweep_takes_what_lives, key_forgotten),
        *(paid_again, shown_to_everybody, bytes_forgotten, left_lying),
    )
}
