from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing

import pytest
from fakes.patience import until
from fakes.records import generation, records

from imagegenservice.adapters.state_store.memory import Memory
from imagegenservice.bulletin import Bulletin
from imagegenservice.model import Fault, Generation, Stage
from imagegenservice.records import Claim, HeldByAnother, Records, advance, finished

HOLDER = "h-1"
FAULT = Fault(reason="CANCELLED", message="Cancelled.")


def entering(stage: Stage, progress: int) -> Callable[[Generation], Generation]:
    return lambda now: advance(now, stage=stage, progress=progress)


async def claimed(store: Records) -> Claim:
    return await store.add(generation(), HOLDER)


async def numbers(store: Records) -> list[int]:
    return [revision.number for revision in (await store.get("g1")).history]


async def test_what_was_noted_is_stored_with_the_next_change_and_no_revision_is_missed() -> None:
    store = records()
    claim = await claimed(store)
    claim.note(entering(Stage.FINISHING, 85))
    claim.note(entering(Stage.STORING, 92))
    assert await numbers(store) == [1], "nothing is written for it alone"
    await claim.change(lambda now: finished(now, fault=FAULT), holder="")
    assert await numbers(store) == [1, 2, 3, 4]
    assert [revision.stage for revision in (await store.get("g1")).history][1:3] == ["finishing", "storing"]


async def test_what_was_noted_is_stored_after_a_moment_when_nothing_else_is() -> None:
    bulletin = Bulletin(interval=60)
    store = Records(Memory(), bulletin)
    claim = await claimed(store)
    async with asyncio.timeout(5), aclosing(bulletin.follow(claim.generation, store.get)) as states:
        assert (await anext(states)).stage is Stage.QUEUED
        claim.note(entering(Stage.DRAWING, 15))
        assert (await anext(states)).stage is Stage.DRAWING
    assert await numbers(store) == [1, 2]


async def test_what_was_noted_is_made_again_on_what_another_wrote_meanwhile() -> None:
    store = records()
    claim = await claimed(store)
    claim.note(entering(Stage.STORING, 92))
    other = await store.claim("g1")
    await other.change(lambda now: advance(now, attempts=7))
    await claim.store_noted()
    stored = await store.get("g1")
    assert (stored.stage, stored.attempts, stored.revision) == (Stage.STORING, 7, 3)


async def test_nothing_is_noted_of_what_is_finished() -> None:
    store = records()
    claim = await claimed(store)
    claim.note(entering(Stage.DRAWING, 15))
    other = await store.claim("g1")
    await other.change(lambda now: finished(now, fault=FAULT), holder="")
    with pytest.raises(HeldByAnother):
        await claim.store_noted()
    assert (await store.get("g1")).fault == FAULT


async def test_what_was_forgotten_is_not_stored() -> None:
    store = records()
    claim = await claimed(store)
    claim.note(entering(Stage.DRAWING, 15))
    claim.forget_noted()
    await claim.store_noted()
    await until(lambda: not [task for task in asyncio.all_tasks() if "_store_soon" in repr(task)])
    assert await numbers(store) == [1]
