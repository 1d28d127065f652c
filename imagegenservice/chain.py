"""Engines in the order in which they are asked, until one draws."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from .breaker import Breaker
from .errors import ContentBlocked, DrawingFailed, EngineAway, OutcomeUnknown, StoreAway, Unavailable
from .ledger import Ledger, Slot
from .model import Brief, Drawing, EngineFault, Reference
from .ports import Commission, ImageModel
from .records import HeldByAnother
from .telemetry import Metrics, asking

log = logging.getLogger(__name__)

_LEFT_ALONE = "The image model failed repeatedly and is left alone for a while."
RESERVE = 15.0
"""Seconds of the deadline that each engine leaves for every one behind it."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A drawing, who made it, and why those before it did not."""

    drawing: Drawing
    engine: str
    faults: tuple[EngineFault, ...]


class EngineCommission(Commission):
    """One order as one engine sees it, with that engine's share of the time."""

    def __init__(
        self,
        brief: Brief,
        references: Sequence[Reference],
        background: bytes | None,
        ledger: Ledger,
        report: Callable[[float], None],
    ) -> None:
        self.brief = brief
        self.references = references
        self.background = background
        self.ledger = ledger
        self._report = report
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._end = self._loop.time()

    def allot(self, seconds: float) -> None:
        """Set the time that is left."""
        self._end = self._loop.time() + seconds

    @property
    def time_left(self) -> float:
        return max(0.0, self._end - self._loop.time())

    def progress(self, share: float) -> None:
        share = min(1.0, max(0.0, share))
        if threading.get_ident() == self._thread:
            self._report(share)
        else:
            self._loop.call_soon_threadsafe(self._report, share)

    @asynccontextmanager
    async def paid_call(self, engine: str) -> AsyncIterator[Slot]:
        async with self.ledger.paid_call(engine) as slot:
            with asking(slot):
                yield slot


class Link:
    """An engine with its own breaker and its own number of places."""

    def __init__(self, model: ImageModel) -> None:
        self.model = model
        self.breaker = Breaker()
        self.places = asyncio.Semaphore(model.concurrency)


class Chain:
    """
    Asks each engine in turn.

    The next one draws when one fails for good, is over its share of the time, or is left alone by its
    breaker. A refusal by a safety filter ends it, unless *fall_through* is set. After a paid call whose
    answer was lost only engines that cost nothing are asked.
    """

    def __init__(self, models: Sequence[ImageModel], metrics: Metrics, *, fall_through: bool = False) -> None:
        self._links = [Link(model) for model in models]
        self._metrics = metrics
        self._fall_through = fall_through
        for link in self._links:
            metrics.watch_breaker(link.model.name, link.breaker)

    @property
    def names(self) -> list[str]:
        """The engines, in order."""
        return [link.model.name for link in self._links]

    @property
    def breakers(self) -> dict[str, Breaker]:
        """The engines' breakers, by name."""
        return {link.model.name: link.breaker for link in self._links}

    @property
    def places(self) -> int:
        """How many drawings can be made at once, all engines together."""
        return sum(link.model.concurrency for link in self._links)

    async def draw(self, commission: EngineCommission, timeout: float) -> Drawn:  # noqa: ASYNC109 - shared out
        """Raises ContentBlocked, OutcomeUnknown, or another DrawingFailed when no engine drew."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        faults: list[EngineFault] = []
        last: DrawingFailed = DrawingFailed()
        for index, link in enumerate(self._links):
            behind = len(self._links) - index - 1
            left = end - loop.time()
            commission.allot(max(left - RESERVE * behind, left / (behind + 1)))
            try:
                drawing = await self._ask(link, commission)
            except DrawingFailed as exc:
                if isinstance(exc, ContentBlocked) and not self._fall_through:
                    raise
                faults.append(EngineFault(engine=link.model.name, reason=exc.reason, message=exc.public))
                last = _weightier(last, exc)
                log.warning("an engine did not draw", extra={"engine": link.model.name, "reason": exc.reason})
            else:
                return Drawn(drawing, link.model.name, tuple(faults))
        raise last

    async def _ask(self, link: Link, commission: EngineCommission) -> Drawing:
        if link.model.paid and not commission.ledger.may_pay:
            raise OutcomeUnknown
        if link.breaker.open:
            raise EngineAway(_LEFT_ALONE)
        async with _place(link, commission):
            return await self._attempt(link, commission)

    async def _attempt(self, link: Link, commission: EngineCommission) -> Drawing:
        if not link.breaker.attempt():
            raise EngineAway(_LEFT_ALONE)
        try:
            with self._metrics.drawing(link.model.name):
                drawing = await self._draw(link, commission)
        except (EngineAway, OutcomeUnknown):
            link.breaker.failed()
            raise
        except DrawingFailed:
            link.breaker.succeeded()  # it answered
            raise
        link.breaker.succeeded()
        return drawing

    async def _draw(self, link: Link, commission: EngineCommission) -> Drawing:
        try:
            async with asyncio.timeout(commission.time_left):
                return await link.model.draw(commission)
        except TimeoutError as exc:
            if link.model.paid and not commission.ledger.may_pay:
                raise OutcomeUnknown from exc
            raise EngineAway("The image model took too long.", reason="ENGINE_TIMED_OUT") from exc
        except (DrawingFailed, HeldByAnother, StoreAway):
            raise
        except Unavailable as exc:
            raise EngineAway(exc.public) from exc
        except Exception as exc:
            log.exception("an engine failed in a way that it should not", extra={"engine": link.model.name})
            raise DrawingFailed("The engine failed.", reason="ENGINE_FAILED") from exc


@asynccontextmanager
async def _place(link: Link, commission: EngineCommission) -> AsyncIterator[None]:
    # Who waits in vain says nothing of the engine's health.
    try:
        async with asyncio.timeout(commission.time_left):
            await link.places.acquire()
    except TimeoutError:
        raise EngineAway("The image model has too much to do at the moment.", reason="ENGINE_BUSY") from None
    try:
        yield
    finally:
        link.places.release()


def _weightier(one: DrawingFailed, other: DrawingFailed) -> DrawingFailed:
    """What the caller is told of two failures: above all that money may be gone."""
    return one if isinstance(one, OutcomeUnknown) else other
