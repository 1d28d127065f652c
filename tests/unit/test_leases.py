"""Who may draw, when stores, clocks and processes fail."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from fakes.patience import until
from fakes.records import generation, records

from imagegenservice.adapters.state_store.memory import Memory
from imagegenservice.errors import Unavailable
from imagegenservice.holder import KIND, Holder, buried, is_dead
from imagegenservice.keyring import Keyring
from imagegenservice.ledger import Ledger
from imagegenservice.model import Document
from imagegenservice.records import HeldByAnother, now
from imagegenservice.telemetry import Metrics


class Moody(Memory):
    """While `away` nothing is stored; with `deaf` a write is stored, and its confirmation is lost."""

    def __init__(self) -> None:
        super().__init__()
        self.away = self.deaf = False

    async def create(self, document: Document) -> Document:
        if self.away:
            raise Unavailable
        return await super().create(document)

    async def replace(self, document: Document) -> Document:
        if self.away:
            raise Unavailable
        stored = await super().replace(document)
        if self.deaf:
            raise Unavailable
        return stored


async def lease_of(store: Memory, name: str) -> Document:
    document = await store.get(KIND, name)
    assert document is not None
    return document


async def test_without_a_heartbeat_for_a_whole_lease_nothing_is_begun_until_one_is_stored() -> None:
    store, lost, overdue, told = Moody(), asyncio.Event(), asyncio.Event(), []

    def on_overdue() -> None:
        told.append(1)
        overdue.set()

    holder = Holder(store, 0.3, lost.set, on_overdue)
    await holder.start()
    name = holder.id
    store.away = True
    async with asyncio.timeout(5):
        await overdue.wait()
    assert not holder.alive
    with pytest.raises(Unavailable):
        _ = holder.id
    await asyncio.sleep(0.2)
    store.away = False
    await until(lambda: holder.alive)
    assert (holder.id, len(told)) == (name, 1)
    assert not lost.is_set()
    await holder.stop()


async def test_a_heartbeat_whose_confirmation_was_lost_does_not_cost_the_lease() -> None:
    store, lost = Moody(), asyncio.Event()
    holder = Holder(store, 1.2, lost.set)
    await holder.start()
    name = holder.id
    before = await lease_of(store, name)
    store.deaf = True
    await until(lambda: store._kept[KIND, name].document.version != before.version)
    store.deaf = False
    before = await lease_of(store, name)
    await until(lambda: store._kept[KIND, name].document.version != before.version)
    assert (holder.id, lost.is_set(), list(holder.former)) == (name, False, [])
    await holder.stop()


async def test_a_process_starts_while_the_store_is_away_and_takes_its_lease_later() -> None:
    store = Moody()
    store.away = True
    holder = Holder(store, 0.3, lambda: None)
    await holder.start()
    with pytest.raises(Unavailable):
        _ = holder.id
    store.away = False
    await until(lambda: holder.alive)
    assert await store.get(KIND, holder.id) is not None
    await holder.stop()


async def test_who_finds_its_own_tombstone_begins_anew_and_remembers_its_name() -> None:
    store, lost = Memory(), asyncio.Event()
    holder = Holder(store, 0.3, lost.set)
    await holder.start()
    old = holder.id
    await store.replace(buried(await lease_of(store, old)))
    await until(lambda: bool(holder.former) and holder.alive)
    assert lost.is_set()
    assert list(holder.former) == [old]
    assert is_dead(await lease_of(store, old))
    await holder.stop()


async def test_a_paid_call_is_not_made_once_the_lease_has_run_out() -> None:
    store = records()
    claim = await store.add(generation(), "h-1")
    ledger = Ledger(claim, 0, Metrics(), lambda: False)
    with pytest.raises(HeldByAnother):
        async with ledger.paid_call("e"):
            pytest.fail("it was paid for by one that may be dead")
    assert [call.outcome for call in (await store.get("g1")).ledger] == ["declined"]


async def test_a_keyring_waits_for_its_store_and_then_is_the_same_for_all() -> None:
    store = Moody()
    store.away = True
    one, two = Keyring(), Keyring()
    assert one.owner("") == ""
    with pytest.raises(Unavailable):
        one.owner("ann")
    waiting = asyncio.gather(one.fetch_in_time(store), two.fetch_in_time(store))
    store.away = False
    await asyncio.wait_for(waiting, 10)
    assert one.owner("ann") == two.owner("ann") != ""
    assert one.name("", "ab") == two.name("", "ab")


def test_a_document_of_a_holder_is_not_a_tombstone() -> None:
    document = Document(KIND, "h", {"pid": 1}, "machine", now())
    assert not is_dead(document)
    grave = buried(document)
    assert is_dead(grave)
    assert grave.tag == ""
    assert grave.expires_at is not None
    assert grave.expires_at > now() + timedelta(minutes=5)
    assert replace(grave, body={}) == replace(document, body={}, tag="", expires_at=grave.expires_at)
