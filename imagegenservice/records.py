"""Generations in the state store: written down, changed by compare-and-set, found again."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from .bulletin import Bulletin
from .errors import GenerationNotFound, ServiceError, StoreAway, VersionConflict
from .model import Document, Generation, Revision, Stage, Status
from .ports import StateStore

KIND = "generation"
FREE = "free"
"""The tag of a generation that nobody holds: whoever sees it first may take it up."""

HISTORY = 64
KNOWN = 1000
"""Generations that are kept as they were read last."""
_TRIES = 8
NOTED_FOR = 0.1
"""Seconds until a noted change is stored when no other one takes it along."""

Change = Callable[[Generation], Generation]


class HeldByAnother(Exception):
    """The record is finished, gone, or somebody else's by now: stop working on it."""


def now() -> datetime:
    """The present, in UTC."""
    return datetime.now(UTC)


def advance(generation: Generation, **changes: object) -> Generation:
    """The next revision of *generation*: progress never goes back, and the past is kept in a bounded list."""
    before = generation.progress
    changed = generation.model_copy(update=changes)
    changed = changed.model_copy(
        update={"revision": generation.revision + 1, "progress": max(before, changed.progress)}
    )
    return changed.model_copy(update={"history": (*generation.history, _line(changed))[-HISTORY:]})


def first(generation: Generation) -> Generation:
    """The record as it is stored first, with its first revision noted."""
    return generation.model_copy(update={"history": (_line(generation),)})


def _line(generation: Generation) -> Revision:
    return Revision(
        number=generation.revision,
        status=generation.status,
        stage=generation.stage,
        progress=generation.progress,
        at=generation.completed_at or now(),
    )


def finished(generation: Generation, **changes: object) -> Generation:
    """The terminal revision of *generation*."""
    status = Status.COMPLETED if changes.get("asset") else Status.FAILED
    progress = 100 if status is Status.COMPLETED else generation.progress
    return advance(
        generation, status=status, stage=Stage.DONE, progress=progress, completed_at=now(), **changes
    )


class Records:
    """The generations of a state store. What is written here is announced to the watchers."""

    def __init__(self, store: StateStore, bulletin: Bulletin) -> None:
        self._store = store
        self._bulletin = bulletin
        self._known: OrderedDict[tuple[str, str], Generation] = OrderedDict()

    async def add(self, generation: Generation, holder: str) -> Claim:
        """Store a new generation in the name of *holder*. Raises AlreadyExists, Unavailable."""
        document = await self._store.create(_document(generation, holder))
        self._bulletin.announce(generation)
        return Claim(self, document, generation)

    async def get(self, generation_id: str) -> Generation:
        """Raises GenerationNotFound, Unavailable."""
        return (await self.claim(generation_id)).generation

    async def claim(self, generation_id: str) -> Claim:
        """The generation, ready to be changed. Raises GenerationNotFound, Unavailable."""
        document = await self._store.get(KIND, generation_id)
        if document is None:
            raise GenerationNotFound
        return Claim(self, document, self._read(document))

    async def held_by(self, holder: str, limit: int) -> list[Claim]:
        """The unfinished generations of *holder*, oldest first."""
        documents = await self._store.tagged(KIND, holder, limit)
        return [Claim(self, document, self._read(document)) for document in documents]

    def _read(self, document: Document) -> Generation:
        # A version never comes again: whoever polls reads the same one over and over.
        key = document.id, document.version
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = Generation.model_validate(document.body)
            if len(self._known) > KNOWN:
                self._known.popitem(last=False)
        return known

    async def write(self, document: Document, generation: Generation, holder: str) -> Document:
        """Store *generation* over *document*. Raises VersionConflict, Unavailable."""
        fresh = _document(generation, holder)
        try:
            stored = await self._store.replace(replace(fresh, version=document.version))
        except ServiceError as exc:
            raise StoreAway from exc
        self._bulletin.announce(generation)
        return stored


class Claim:
    """A generation as one worker sees it. Writes take turns; each is refused once another holds it."""

    def __init__(self, records: Records, document: Document, generation: Generation) -> None:
        self._records = records
        self._lock = asyncio.Lock()
        self._noted: list[Change] = []
        self._storing: asyncio.Task[None] | None = None
        self.document = document
        self.generation = generation

    @property
    def holder(self) -> str:
        """Who works on it; empty when nobody does and nobody has to."""
        return self.document.tag

    async def change(self, change: Change, *, holder: str | None = None, anyway: bool = False) -> Generation:
        """
        Store what *change* makes of the generation, in the name of *holder* (default: as before).

        After somebody else's write the change is made again on the fresh record, as long as we still hold
        it and it is not finished (*anyway*: also if it is). Raises HeldByAnother, Unavailable.
        """
        async with self._lock:
            for _ in range(_TRIES):
                if self.generation.finished and not anyway:
                    raise HeldByAnother
                changed = change(self.generation)
                tag = self.holder if holder is None else holder
                try:
                    self.document = await self._records.write(self.document, changed, tag)
                except VersionConflict:
                    await self._reload()
                else:
                    self.generation = changed
                    self._noted.clear()
                    return changed
        raise HeldByAnother

    def note(self, change: Change) -> None:
        """
        Make a change that need not outlive this process: it is stored with the next one, or in a moment.

        Watchers hear of it when it is stored. Raises HeldByAnother when it is finished.
        """
        if self.generation.finished:
            raise HeldByAnother
        self.generation = change(self.generation)
        self._noted.append(change)
        if self._storing is None or self._storing.done():
            self._storing = asyncio.create_task(self._store_soon())

    async def store_noted(self) -> None:
        """Store what was noted, if it is not stored yet. Raises HeldByAnother, Unavailable."""
        if self._noted:
            await self.change(lambda now: now)

    def forget_noted(self) -> None:
        """Store nothing more of what was noted: somebody else may work on it from now on."""
        self._noted.clear()
        if self._storing is not None:
            self._storing.cancel()

    async def _store_soon(self) -> None:
        await asyncio.sleep(NOTED_FOR)
        try:
            await self.store_noted()
        except (HeldByAnother, ServiceError):
            return  # whoever works on it finds out with the next change

    async def refresh(self) -> None:
        """Look at what is stored now. Raises HeldByAnother, Unavailable."""
        async with self._lock:
            await self._reload()

    async def _reload(self) -> None:
        try:
            fresh = await self._records.claim(self.generation.id)
        except GenerationNotFound:
            raise HeldByAnother from None
        if fresh.holder != self.holder:
            raise HeldByAnother
        self.document, self.generation = fresh.document, fresh.generation
        if not self.generation.finished:
            for change in self._noted:
                self.generation = change(self.generation)


def _document(generation: Generation, holder: str) -> Document:
    return Document(KIND, generation.id, generation.model_dump(mode="json"), holder, generation.expires_at)
