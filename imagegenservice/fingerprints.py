"""One paid call for one picture: what makes two orders the same, and who draws it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from .errors import AlreadyExists, VersionConflict
from .model import Asset, Brief, Document, EngineFault, Value
from .ports import StateStore
from .prompts import PROMPT_VERSION

KIND: Final = "fingerprint"
_TRIES = 8


class Result(Value):
    """A finished picture, as later orders of the same receive it."""

    asset: Asset
    engine: str
    engine_faults: tuple[EngineFault, ...] = ()


def fingerprint(brief: Brief, background_sha256: str, owner: str, engines: Sequence[str]) -> str:
    """
    SHA-256 over everything that changes the pixels.

    The owner is part of it whenever an input is private, that is, with a background.
    """
    parts = {
        "brief": brief.model_dump(mode="json", exclude={"background"}),
        "background": background_sha256,
        "owner": owner if background_sha256 else "",
        "engines": list(engines),
        "prompt": PROMPT_VERSION,
    }
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Entry:
    """Who draws a fingerprint, and what came of it."""

    document: Document
    generation_id: str
    result: Result | None


class Fingerprints:
    """The index of pictures that are finished or being drawn, shared by all replicas.

    Every method raises Unavailable when the store does not answer.
    """

    def __init__(self, store: StateStore) -> None:
        self._store = store

    async def find(self, fingerprint: str) -> Entry | None:
        """The entry of a fingerprint, if there is one."""
        document = await self._store.get(KIND, fingerprint)
        return None if document is None else _entry(document)

    async def claim(self, fingerprint: str, generation_id: str, until: datetime) -> Entry:
        """Say that *generation_id* draws it, unless another does or did: the entry tells."""
        body = {"generation_id": generation_id}
        fresh = Document(KIND, fingerprint, body, expires_at=until)
        for _ in range(_TRIES):
            # Made before it is looked for: accepting the order has just looked.
            try:
                return _entry(await self._store.create(fresh))
            except AlreadyExists:
                if (found := await self.find(fingerprint)) is not None:
                    return found
        raise AlreadyExists

    async def take_over(self, entry: Entry, generation_id: str, until: datetime) -> bool:
        """Put *generation_id* in the place of one that will not finish; False if somebody was quicker."""
        fresh = replace(entry.document, body={"generation_id": generation_id}, expires_at=until)
        try:
            await self._store.replace(fresh)
        except VersionConflict:
            return False
        return True

    async def settle(self, claimed: Entry, result: Result, until: datetime) -> None:
        """Keep for later orders what the generation drew that *claimed* the fingerprint."""
        fingerprint, generation_id = claimed.document.id, claimed.generation_id
        body = {"generation_id": generation_id, "result": result.model_dump(mode="json")}
        entry = claimed
        for attempt in range(_TRIES):
            if attempt:
                entry = await self.claim(fingerprint, generation_id, until)
            if entry.generation_id != generation_id or entry.result is not None:
                return
            try:
                await self._store.replace(replace(entry.document, body=body, expires_at=until))
            except VersionConflict:
                continue
            return

    async def release(self, fingerprint: str, generation_id: str) -> None:
        """Forget that *generation_id* draws it, because nothing worth keeping came of it."""
        entry = await self.find(fingerprint)
        if entry is not None and entry.generation_id == generation_id and entry.result is None:
            try:
                await self._store.delete(entry.document)
            except VersionConflict:
                return  # somebody took it over


def _entry(document: Document) -> Entry:
    result = document.body.get("result")
    found = Result.model_validate(result) if result else None
    return Entry(document, document.body["generation_id"], found)
