"""A process says that it is alive; what it holds is its own for as long as it does."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from .errors import ImageGenError, VersionConflict
from .model import Document
from .ports import StateStore
from .records import now

log = logging.getLogger(__name__)

KIND: Final = "holder"


class Holder:
    """
    The lease of this process, kept alive by a heartbeat.

    Generations carry the id of their holder. One document a process, not one a generation, so that the
    heartbeat of a long queue costs one write. *on_lost* is called when others declared us dead.
    """

    def __init__(self, store: StateStore, lease: float, on_lost: Callable[[], None]) -> None:
        self._store = store
        self._lease = timedelta(seconds=lease)
        self._on_lost = on_lost
        self._document: Document | None = None
        self._task: asyncio.Task[None] | None = None
        self.id = _new_id()

    async def start(self) -> None:
        """Take the lease. Raises Unavailable."""
        self._document = await self._register(self.id)
        self._task = asyncio.create_task(self._beat())

    async def stop(self) -> None:
        """Give the lease back; what is still held is for others from now on."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._document is not None:
            try:
                await self._store.delete(self._document)
            except ImageGenError as exc:
                log.warning("the lease could not be given back; it runs out", extra={"cause": exc.reason})

    async def _register(self, holder_id: str) -> Document:
        until = now() + self._lease
        return await self._store.create(Document(KIND, holder_id, identity(), machine(), until))

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._lease.total_seconds() / 3)
            try:
                await self._renew()
            except ImageGenError as exc:
                log.warning("the heartbeat could not be stored", extra={"cause": exc.reason})

    async def _renew(self) -> None:
        if self._document is not None:
            fresh = replace(self._document, expires_at=now() + self._lease)
            try:
                self._document = await self._store.replace(fresh)
            except VersionConflict:
                self._document = None
                self._on_lost()
                log.warning("this process was taken for dead; it begins anew")
        if self._document is None:
            # Registered before it is used: what an unknown holder leaves behind, nobody would find.
            renewed = _new_id()
            self._document = await self._register(renewed)
            self.id = renewed


def _new_id() -> str:
    return f"h-{secrets.token_hex(8)}"


def identity() -> dict[str, Any]:
    """What tells, on the same machine, whether this very process still lives."""
    return {"machine": machine(), "pid": os.getpid(), "started": _started(os.getpid())}


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
