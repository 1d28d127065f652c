"""Fair turns: whoever orders much waits behind whoever orders little."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class FairTurns:
    """A semaphore whose waiters are served owner by owner, in a circle; within one, in order."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return sum(len(line) for line in self._waiting.values())

    @asynccontextmanager
    async def turn(self, owner: str) -> AsyncIterator[None]:
        """Wait for a turn of *owner* and hold it for the time of the block."""
        await self._acquire(owner)
        try:
            yield
        finally:
            self._release()

    async def _acquire(self, owner: str) -> None:
        if self._free > 0:
            self._free -= 1
            return
        place = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(owner, deque()).append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._release()  # the turn came at the moment of the cancellation
            else:
                self._forget(owner, place)
            raise

    def _release(self) -> None:
        while self._waiting:
            owner, line = self._waiting.popitem(last=False)
            place = line.popleft()
            if line:
                self._waiting[owner] = line  # to the end of the circle
            if not place.done():
                place.set_result(None)
                return
        self._free += 1

    def _forget(self, owner: str, place: asyncio.Future[None]) -> None:
        line = self._waiting.get(owner)
        if line is not None and place in line:
            line.remove(place)
            if not line:
                del self._waiting[owner]
