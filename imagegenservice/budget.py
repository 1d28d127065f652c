"""A number of bytes that jobs share: each takes what it may need, in turn, and gives it back."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from .errors import Overloaded


class Budget:
    """
    First come, first served, so that large jobs get their turn. Not bound to an event loop.

    At most *waiting* jobs with a patience wait; more are refused at once.
    """

    def __init__(self, total: int, waiting: int) -> None:
        self.total = total
        self._free = total
        self._places = waiting
        self._queue: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def share(self, amount: int, patience: float | None = None) -> AsyncIterator[None]:
        """
        Hold *amount* for the time of the block; more than there is counts as all of it.

        With a *patience* in seconds: raises Overloaded when it is not to be had within it.
        """
        amount = min(amount, self.total)
        await self._take(amount, patience)
        try:
            yield
        finally:
            self._give(amount)

    async def _take(self, amount: int, patience: float | None) -> None:
        if not self._queue and amount <= self._free:
            self._free -= amount
            return
        if patience is not None and len(self._queue) >= self._places:
            raise Overloaded("Too many pictures wait to be read. Please try again later.")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((amount, turn))
        try:
            await asyncio.wait_for(asyncio.shield(turn), patience)
        except BaseException as exc:
            if turn.done():
                self._give(amount)  # the turn came while nobody waited any more
            else:
                turn.cancel()
                self._serve()
            if isinstance(exc, TimeoutError):
                raise Overloaded("Too many pictures wait to be read. Please try again later.") from exc
            raise

    def _give(self, amount: int) -> None:
        self._free += amount
        self._serve()

    def _serve(self) -> None:
        while self._queue:
            amount, turn = self._queue[0]
            if turn.cancelled():
                self._queue.popleft()
            elif amount <= self._free:
                self._queue.popleft()
                self._free -= amount
                turn.set_result(None)
            else:
                return
