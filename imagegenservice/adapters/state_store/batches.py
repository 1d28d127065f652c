"""A thread for blocking work, handed over in batches: two wake-ups for all who wait, not two for each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Final, Generic, TypeVar

from ...errors import Overloaded

Job = TypeVar("Job")

MOST_WAITING: Final = 1000
MOST_TOGETHER: Final = 128


class Batches(Generic[Job]):
    """
    Does jobs in their order on a thread of its own, as many together as wait.

    *work* gets the jobs of a batch, and returns a result or an exception for each. A job whose caller was
    cancelled while it waited is not done. All callers share one event loop.
    """

    def __init__(self, name: str, work: Callable[[Sequence[Job]], Sequence[Any]]) -> None:
        self._work = work
        self._asked: SimpleQueue[tuple[asyncio.Future[Any], Job] | None] = SimpleQueue()
        self._waiting = 0
        self._thread = Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    async def ask(self, job: Job) -> Any:  # noqa: ANN401 - whatever the job gives
        """Raises Overloaded, at once, when too many wait, and what *work* returns for this job."""
        if self._waiting >= MOST_WAITING:
            raise Overloaded("Too many calls wait for the state store.")
        self._waiting += 1
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asked.put((future, job))
        return await future

    def close(self) -> None:
        """Finish what waits. Blocks; not for the event loop of the callers."""
        self._asked.put(None)
        self._thread.join()

    def _serve(self) -> None:
        more = True
        while more:
            batch, more = self._batch()
            if batch:
                self._do(batch)

    def _batch(self) -> tuple[list[tuple[asyncio.Future[Any], Job]], bool]:
        """At least one, and whoever else is there by now; False at the end."""
        batch = []
        asked = self._asked.get()
        try:
            while asked is not None:
                batch.append(asked)
                if len(batch) >= MOST_TOGETHER:
                    return batch, True
                asked = self._asked.get_nowait()
        except Empty:
            return batch, True
        return batch, False

    def _do(self, batch: list[tuple[asyncio.Future[Any], Job]]) -> None:
        alive = [(future, job) for future, job in batch if not future.cancelled()]
        outcomes = self._outcomes([job for _, job in alive]) if alive else ()
        answers = [(future, outcome) for (future, _), outcome in zip(alive, outcomes, strict=True)]
        try:
            batch[0][0].get_loop().call_soon_threadsafe(self._answer, answers, len(batch))
        except RuntimeError:
            return  # the loop was closed: nobody waits any more

    def _outcomes(self, jobs: list[Job]) -> Sequence[Any]:
        try:
            return self._work(jobs)
        except Exception as exc:  # noqa: BLE001 - whatever it is, the callers get it and the thread goes on
            return [exc] * len(jobs)

    def _answer(self, answers: list[tuple[asyncio.Future[Any], Any]], count: int) -> None:
        self._waiting -= count
        for future, outcome in answers:
            if future.done():
                continue
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)
