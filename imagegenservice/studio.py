"""The local queue: which generations this process holds, and their way through it."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager

from .drawing import Carrier, Tools
from .errors import Cancelled, ImageGenError, Overloaded, ServiceError, Unavailable
from .logs import short
from .records import FREE, Claim, HeldByAnother

log = logging.getLogger(__name__)

LOOKED_AT = 8
"""Orders that are looked at together while the queue is full: what is finished already needs no place."""


class Studio:
    """
    Holds a bounded number of generations, each carried by a task of its own.

    Turns between owners are fair (turns.py); a place in the queue is reserved before a record is stored.
    """

    def __init__(self, tools: Tools, size: int, owner_size: int) -> None:
        self._tools = tools
        self._size = size
        self._owner_size = owner_size
        self._owners: dict[str, str] = {}
        self._per_owner: Counter[str] = Counter()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._carriers: dict[str, Carrier] = {}
        self._draining = False
        self._looked_at = 0
        tools.metrics.watch_queue("held", lambda: len(self._owners))
        tools.metrics.watch_queue("waiting", lambda: tools.turns.waiting)

    @property
    def room(self) -> int:
        """How many more generations fit."""
        return 0 if self._draining else max(0, self._size - len(self._owners))

    @property
    def drawing(self) -> int:
        """How many generations are being carried."""
        return len(self._tasks)

    def holds(self, generation_id: str) -> bool:
        """True while this process works on it, or is about to."""
        return generation_id in self._owners

    @contextmanager
    def look(self, owner: str) -> Iterator[None]:
        """
        Look at an order, which may turn out to need no place.

        While there is none, only a few are looked at, so that the shop is spared what would be refused.
        Raises Overloaded, Unavailable.
        """
        if self._looked_at >= LOOKED_AT:
            self._refuse_without_a_place(owner)
        self._looked_at += 1
        try:
            yield
        finally:
            self._looked_at -= 1

    def reserve(self, generation_id: str, owner: str) -> None:
        """Take a place. Raises Overloaded when none is left, or none for this owner; Unavailable."""
        self._refuse_without_a_place(owner)
        self._owners[generation_id] = owner
        self._per_owner[owner] += 1

    def _refuse_without_a_place(self, owner: str) -> None:
        if self._draining:
            raise Unavailable("The service is shutting down. Please try again.")
        if len(self._owners) >= self._size:
            raise Overloaded("The queue is full. Please try again later.")
        if owner and self._per_owner[owner] >= self._owner_size:
            raise Overloaded(
                f"{self._owner_size} generations of this shopper are waiting. Please try again later."
            )

    def release(self, generation_id: str) -> None:
        """Give a place back."""
        owner = self._owners.pop(generation_id, None)
        if owner is not None:
            self._per_owner[owner] -= 1
            if not self._per_owner[owner]:
                del self._per_owner[owner]

    def start(self, claim: Claim) -> None:
        """Carry a generation that has a place."""
        generation_id = claim.generation.id
        carrier = Carrier(self._tools, claim)
        task = asyncio.create_task(
            self._carry(carrier, generation_id), name=f"generation-{short(generation_id)}"
        )
        self._carriers[generation_id] = carrier
        self._tasks[generation_id] = task
        task.add_done_callback(lambda _: self._forget(generation_id, task))

    def _forget(self, generation_id: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(generation_id) is task:
            del self._tasks[generation_id], self._carriers[generation_id]
            self.release(generation_id)

    def cancelled(self, generation_id: str) -> None:
        """The caller cancelled it: stop, unless a paid call is under way."""
        carrier = self._carriers.get(generation_id)
        if carrier is not None and not carrier.paying:
            self._tasks[generation_id].cancel(Cancelled.reason)

    def pause(self) -> None:
        """Stop what can be begun anew; the sweep does that when our lease is stored again."""
        for generation_id, task in self._tasks.items():
            if not self._carriers[generation_id].paying:
                task.cancel(HeldByAnother.__name__)

    def abandon(self) -> None:
        """Stop everything: others hold it by now."""
        for task in self._tasks.values():
            task.cancel(HeldByAnother.__name__)

    async def drain(self, timeout: float) -> None:  # noqa: ASYNC109 - a bound, not a failure
        """Take nothing more; let drawings end within *timeout* seconds, and hand the rest back."""
        self._draining = True
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=timeout)
        rest = list(self._tasks.values())
        for task in rest:
            task.cancel(FREE)
        await asyncio.gather(*rest, return_exceptions=True)

    async def _carry(self, carrier: Carrier, generation_id: str) -> None:
        try:
            await carrier.carry()
        except HeldByAnother:
            await self._quietly(carrier.let_go(), generation_id)
        except asyncio.CancelledError as exc:
            await self._stopped(carrier, generation_id, str(exc))
        except ServiceError as exc:
            # It is still ours: the sweep begins anew with it when the store is back.
            log.warning(
                "a generation waits for its store",
                extra={"generation": short(generation_id), "cause": str(exc)},
            )
        except Exception:
            incident = secrets.token_hex(4)
            log.exception(
                "a drawing failed", extra={"generation": short(generation_id), "incident": incident}
            )
            await self._quietly(carrier.fail_unforeseen(incident), generation_id)

    async def _stopped(self, carrier: Carrier, generation_id: str, why: str) -> None:
        if why == Cancelled.reason:
            await self._quietly(carrier.let_go(), generation_id)
        elif why == FREE:
            await self._quietly(carrier.hand_back(FREE), generation_id)

    async def _quietly(self, ending: Awaitable[None], generation_id: str) -> None:
        try:
            await ending
        except HeldByAnother:
            return
        except ImageGenError as exc:
            log.warning(
                "a generation could not be let go",
                extra={"generation": short(generation_id), "cause": exc.reason},
            )
