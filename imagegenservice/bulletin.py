"""Tells watchers of a generation about its changes, those of other replicas included."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field

from .errors import GenerationNotFound, ServiceError, Unavailable
from .model import Generation

Look = Callable[[str], Awaitable[Generation]]


@dataclass(slots=True)
class _Topic:
    latest: Generation
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    watchers: int = 0
    lookout: asyncio.Task[None] | None = None
    gone: bool = False


class Bulletin:
    """One topic for each watched generation, and one look-out for each topic, however many watch."""

    def __init__(self, interval: float = 1.0) -> None:
        self._interval = interval
        self._topics: dict[str, _Topic] = {}
        self._closed = False

    def close(self) -> None:
        """Let go of all watchers, because nothing more happens in this process."""
        self._closed = True
        for topic in self._topics.values():
            topic.changed.set()

    def announce(self, generation: Generation) -> None:
        """Tell the watchers in this process. Older revisions than they have are passed over."""
        topic = self._topics.get(generation.id)
        if topic is not None and generation.revision > topic.latest.revision:
            topic.latest = generation
            topic.changed.set()
            topic.changed = asyncio.Event()

    async def follow(self, generation: Generation, look: Look) -> AsyncGenerator[Generation, None]:
        """
        Give *generation*, then each later state of it that is seen, up to the finished one.

        It ends early when the generation expires. What other replicas write is seen by asking *look*
        once in an interval. Raises Unavailable once the bulletin is closed.
        """
        topic = self._join(generation, look)
        try:
            while True:
                seen, changed = topic.latest, topic.changed
                yield seen
                if seen.finished:
                    return
                if topic.latest is seen and not self._closed:
                    await changed.wait()
                if topic.gone:
                    return
                if topic.latest is seen and self._closed:
                    raise Unavailable("The service is shutting down. Please ask again.")
        finally:
            self._leave(generation.id, topic)

    def _join(self, generation: Generation, look: Look) -> _Topic:
        topic = self._topics.setdefault(generation.id, _Topic(generation))
        topic.watchers += 1
        self.announce(generation)
        if topic.lookout is None and not topic.latest.finished:
            topic.lookout = asyncio.create_task(self._look_out(topic, look))
        return topic

    def _leave(self, generation_id: str, topic: _Topic) -> None:
        topic.watchers -= 1
        if topic.watchers == 0:
            self._topics.pop(generation_id, None)
            if topic.lookout is not None:
                topic.lookout.cancel()

    async def _look_out(self, topic: _Topic, look: Look) -> None:
        while not topic.latest.finished:
            await asyncio.sleep(self._interval)
            try:
                self.announce(await look(topic.latest.id))
            except GenerationNotFound:
                topic.gone = True
                topic.changed.set()
                return
            except ServiceError:
                continue  # the store is away for a moment; the watchers can wait
