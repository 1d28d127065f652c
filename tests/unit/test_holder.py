from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import replace

from fakes.patience import until

from imagegenservice.adapters.state_store.memory import Memory
from imagegenservice.errors import Unavailable
from imagegenservice.holder import KIND, Holder, identity, surely_dead
from imagegenservice.model import Document
from imagegenservice.records import now


class Moody(Memory):
    """A store that is away while `away` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False

    async def replace(self, document: Document) -> Document:
        if self.away:
            raise Unavailable
        return await super().replace(document)


async def lease_of(store: Memory, holder: str) -> Document:
    document = await store.get(KIND, holder)
    assert document is not None
    return document


async def test_a_living_process_keeps_its_lease() -> None:
    store, lost = Memory(), asyncio.Event()
    holder = Holder(store, 0.3, lost.set)
    await holder.start()
    first = await lease_of(store, holder.id)
    await asyncio.sleep(0.5)
    later = await lease_of(store, holder.id)
    assert first.expires_at is not None
    assert later.expires_at is not None
    assert later.expires_at > max(first.expires_at, now())
    assert not lost.is_set()
    await holder.stop()


async def test_the_lease_is_given_back_at_the_end() -> None:
    store = Memory()
    holder = Holder(store, 60, lambda: None)
    await holder.start()
    await holder.stop()
    assert await store.get(KIND, holder.id) is None


async def test_a_process_that_was_taken_for_dead_lets_all_go_and_begins_anew() -> None:
    store, lost = Memory(), asyncio.Event()
    holder = Holder(store, 0.3, lost.set)
    await holder.start()
    old = holder.id
    await store.delete(await lease_of(store, old))
    async with asyncio.timeout(5):
        await lost.wait()
    await until(lambda: holder.id != old)
    assert await store.get(KIND, holder.id) is not None
    assert await store.get(KIND, old) is None
    await holder.stop()


async def test_a_store_that_is_away_for_a_moment_costs_nothing() -> None:
    store, lost = Moody(), asyncio.Event()
    holder = Holder(store, 0.6, lost.set)
    await holder.start()
    before = await lease_of(store, holder.id)
    store.away = True
    await asyncio.sleep(0.25)
    store.away = False
    await until(lambda: store._kept[KIND, holder.id].document.version != before.version)
    assert not lost.is_set()
    await holder.stop()


def test_this_process_is_not_dead() -> None:
    assert not surely_dead(Document(KIND, "h", identity()))


def test_a_process_of_this_machine_that_ended_is_surely_dead() -> None:
    code = "import json; from imagegenservice.holder import identity; print(json.dumps(identity()))"
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=30)
    document = Document(KIND, "h", json.loads(ended.stdout))
    assert surely_dead(document)


def test_another_process_with_the_same_pid_is_another_process() -> None:
    recycled = {**identity(), "started": "1"}
    assert surely_dead(Document(KIND, "h", recycled))


def test_of_another_machine_nothing_is_known_for_sure() -> None:
    elsewhere = {**identity(), "machine": "another", "pid": 2**22 + os.getpid()}
    assert not surely_dead(Document(KIND, "h", elsewhere))
    assert not surely_dead(replace(Document(KIND, "h", {}), body={}))
