"""A process says that it is alive; what it holds is its own for as long as it does."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import secrets
import socket
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from .errors import ImageGenError, Unavailable, VersionConflict
from .model import Document
from .ports import StateStore
from .records import now

log = logging.getLogger(__name__)

KIND: Final = "holder"
_BURIED: Final = timedelta(minutes=10)


class Holder:
    """
    The lease of this process, kept alive by a heartbeat.

    Generations carry the id of their holder. One document a process, not one a generation, so that the
    heartbeat of a long queue costs one write. *on_lost* is called when others declared us dead, and
    *on_overdue* when no heartbeat was stored for a whole lease: others may do so at any time then.

    The lease is measured on this process's own clock, which only goes forward; see sweep.py for the other
    side. So no difference between the clocks of two machines lets both draw.
    """

    def __init__(
        self,
        store: StateStore,
        lease: float,
        on_lost: Callable[[], None],
        on_overdue: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._lease = lease
        self._on_lost = on_lost
        self._on_overdue = on_overdue
        self._document: Document | None = None
        self._renewed = -math.inf
        self._tasks: list[asyncio.Task[None]] = []
        self._id = _new_id()
        self.former: deque[str] = deque(maxlen=8)
        """Ids under which others took us for dead. What was stored in their name meanwhile is still ours."""

    @property
    def alive(self) -> bool:
        """True while nobody can have taken this process for dead."""
        return time.monotonic() < self._renewed + self._lease

    @property
    def id(self) -> str:
        """In whose name we write. Raises Unavailable while the lease is not stored, or has run out."""
        if not self.alive:
            raise Unavailable
        return self._id

    async def start(self) -> None:
        """Take the lease: now, or as soon as the store answers."""
        try:
            await self._renew()
        except ImageGenError as exc:
            log.warning("the lease waits for the state store", extra={"cause": exc.reason})
        self._tasks = [asyncio.create_task(self._beat()), asyncio.create_task(self._watch())]

    async def stop(self) -> None:
        """Give the lease back; what is still held is for others from now on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._document is not None:
            try:
                await self._store.delete(self._document)
            except ImageGenError as exc:
                log.warning("the lease could not be given back; it runs out", extra={"cause": exc.reason})

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._lease / 3)
            try:
                await self._renew()
            except ImageGenError as exc:
                log.warning("the heartbeat could not be stored", extra={"cause": exc.reason})

    async def _watch(self) -> None:
        told = -math.inf
        while True:
            await asyncio.sleep(max(self._lease / 10, self._renewed + self._lease - time.monotonic()))
            if self._renewed != told and not self.alive:
                told = self._renewed
                log.warning("no heartbeat was stored for a whole lease: nothing is begun until one is")
                self._on_overdue()

    async def _renew(self) -> None:
        begun = time.monotonic()
        if self._document is not None:
            try:
                await self._prolong(self._document)
            except VersionConflict:
                self._document = None
                self.former.append(self._id)
                self._renewed = -math.inf
                self._on_lost()
                log.warning("this process was taken for dead; it begins anew")
                begun = time.monotonic()
        if self._document is None:
            # Registered before it is used: what an unknown holder leaves behind, nobody would find.
            self._id = _new_id()
            until = now() + self._shown
            self._document = await self._store.create(Document(KIND, self._id, identity(), machine(), until))
        self._renewed = begun

    async def _prolong(self, document: Document) -> None:
        fresh = replace(document, expires_at=now() + self._shown)
        try:
            self._document = await self._store.replace(fresh)
        except VersionConflict:
            # Perhaps by our own heartbeat, whose confirmation was lost.
            there = await self._store.get(KIND, self._id)
            if there is None or is_dead(there):
                raise
            self._document = await self._store.replace(replace(there, expires_at=now() + self._shown))

    @property
    def _shown(self) -> timedelta:
        # Others begin to watch a holder after this, and wait for a whole lease from then on: soon enough to
        # take over within two leases, and late enough that a living one is hardly ever looked at.
        return timedelta(seconds=self._lease / 2)


def _new_id() -> str:
    return f"h-{secrets.token_hex(8)}"


def identity() -> dict[str, Any]:
    """What tells, on the same machine, whether this very process still lives."""
    return {"machine": machine(), "pid": os.getpid(), "started": _started(os.getpid())}


def buried(document: Document) -> Document:
    """
    The tombstone of a dead holder.

    It stays for a while, because a process that only stood still may still store something in its name.
    """
    return replace(document, body={**document.body, "dead": True}, tag="", expires_at=now() + _BURIED)


def is_dead(document: Document) -> bool:
    """True for a tombstone."""
    return bool(document.body.get("dead"))


def surely_dead(document: Document) -> bool:
    """True when the process of a holder's document ran on this machine and does no more."""
    body = document.body
    return body.get("machine") == machine() and body.get("started") != _started(int(body.get("pid", 0)))


def machine() -> str:
    """Names the boot and the process namespace: where a pid says which process is meant."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = str(Path("/proc/self/ns/pid").stat().st_ino)
    except OSError:
        return f"{socket.gethostname()}:{uuid.getnode()}:{secrets.token_hex(8)}"
    return f"{boot}:{namespace}"


def _started(pid: int) -> str:
    # Field 22 of proc(5) stat, counted behind the name, which may itself hold spaces and brackets.
    try:
        return (
            Path(f"/proc/{pid}/stat")
            .read_text(encoding="ascii", errors="replace")
            .rpartition(")")[2]
            .split()[19]
        )
    except (OSError, IndexError):
        return ""
