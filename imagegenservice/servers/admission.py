"""How much may be here at once. One rule for every door: whoever has no place is refused at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ..errors import Overloaded
from ..settings import Settings
from ..telemetry import Metrics
from ..turns import FairTurns

LINE: Final = 64
"""Uploads that may wait for their turn. They cost next to nothing: their bytes are still at the client."""
SOON: Final = 1.0
"""Seconds after which to come back: places of calls are free again much sooner than places in the queue."""


class Kind(StrEnum):
    """What is counted together."""

    CALL = "call"
    STREAM = "stream"
    UPLOAD = "upload"
    HTTP = "http"


class Refused(StrEnum):
    """Which bound was met."""

    ALL = "all"
    OWNER = "owner"
    LINE = "line"
    TURN = "turn"
    SLOW = "slow"


@dataclass(frozen=True, slots=True)
class Bounds:
    """
    How many at once, of all and of one shopper; anonymous callers share what there is for all.

    `uploads` are read and handled at once. `turn` is how many seconds an upload waits for its turn, `arrival`
    how many a request may take to arrive, `reading` how many a client may take to read a message.
    """

    calls: int = 1000
    streams: int = 2000
    uploads: int = 2
    owner_calls: int = 50
    turn: float = 30.0
    arrival: float = 10.0
    reading: float = 20.0

    @classmethod
    def of(cls, settings: Settings) -> Bounds:
        """As the settings say."""
        return cls(settings.max_calls, settings.max_streams, settings.max_uploads, settings.owner_calls)


class Admission:
    """Counts what is here. Each place is held for the time of a block."""

    def __init__(self, bounds: Bounds, metrics: Metrics) -> None:
        self.bounds = bounds
        self._metrics = metrics
        self._here: Counter[str] = Counter()
        self._owners: Counter[tuple[str, str]] = Counter()
        self._turns = FairTurns(bounds.uploads)
        self._most = {
            Kind.CALL: bounds.calls,
            Kind.STREAM: bounds.streams,
            Kind.UPLOAD: bounds.uploads + LINE,
            Kind.HTTP: bounds.calls,
        }
        for kind in Kind:
            metrics.watch_places(kind, self._count(kind))

    def here(self, kind: str) -> int:
        """How many of a kind are here."""
        return self._here[kind]

    def _count(self, kind: Kind) -> Callable[[], float]:
        return lambda: float(self._here[kind])

    @contextmanager
    def place(self, kind: Kind, method: str) -> Iterator[None]:
        """One of all. Raises Overloaded."""
        if self._here[kind] >= self._most[kind]:
            raise self.refused(method, Refused.LINE if kind is Kind.UPLOAD else Refused.ALL)
        self._here[kind] += 1
        try:
            yield
        finally:
            self._here[kind] -= 1

    @contextmanager
    def place_of(self, owner: str, kind: Kind, method: str) -> Iterator[None]:
        """One of *owner*'s; of nobody's there are as many as of all. Raises Overloaded."""
        if not owner:
            yield
            return
        who = (kind, owner)
        if self._owners[who] >= self.bounds.owner_calls:
            raise self.refused(method, Refused.OWNER)
        self._owners[who] += 1
        try:
            yield
        finally:
            self._owners[who] -= 1
            if not self._owners[who]:
                del self._owners[who]

    @asynccontextmanager
    async def turn(self, method: str) -> AsyncIterator[None]:
        """Wait until another upload may be read into memory. Raises Overloaded."""
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(self.bounds.turn):
                    await stack.enter_async_context(self._turns.turn(""))
            except TimeoutError:
                raise self.refused(method, Refused.TURN) from None
            yield

    def refused(self, method: str, why: Refused) -> Overloaded:
        """Count a refusal, and give what to raise."""
        self._metrics.refused.labels(method, why).inc()
        error = Overloaded()
        error.retry_after = SOON
        return error
