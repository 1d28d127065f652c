from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from fakes.records import BRIEF

from imagegenservice.adapters.state_store.memory import Memory
from imagegenservice.fingerprints import Fingerprints, Result, fingerprint
from imagegenservice.model import Asset, Brief, Item, Product
from imagegenservice.records import now

LONG = now() + timedelta(days=1)
RESULT = Result(
    asset=Asset(key="pictures/a.jpg", media_type="image/jpeg", width=1, height=1, size=1, sha256="0"),
    engine="compositor",
)


def mark(
    brief: Brief = BRIEF, background: str = "", owner: str = "", engines: tuple[str, ...] = ("e",)
) -> str:
    return fingerprint(brief, background, owner, engines)


def changed(**fields: Any) -> Brief:
    return BRIEF.model_copy(update=fields)


def with_product(**fields: Any) -> Brief:
    product = BRIEF.items[0].product.model_copy(update=fields)
    return changed(items=(Item(product=product, quantity=1),))


@pytest.mark.parametrize(
    "brief",
    [
        changed(style="vintage"),
        changed(style_version=2),
        changed(aspect_ratio="4:3"),
        changed(width=512),
        changed(seed=1),
        changed(items=(Item(product=BRIEF.items[0].product, quantity=2),)),
        changed(items=BRIEF.items * 2),
        with_product(name="Another cup"),
        with_product(picture="/other.jpg"),
        with_product(description="new"),
    ],
)
def test_everything_that_changes_the_pixels_changes_the_fingerprint(brief: Brief) -> None:
    assert mark(brief) != mark()


def test_the_engines_and_the_backgrounds_bytes_change_it_and_the_backgrounds_name_does_not() -> None:
    assert len({mark(), mark(engines=("f",)), mark(engines=("e", "f")), mark(background="sha")}) == 4
    assert mark(changed(background="backgrounds/a.jpg")) == mark(changed(background="backgrounds/b.jpg"))


def test_the_owner_counts_only_with_a_background() -> None:
    assert mark(owner="ann") == mark(owner="bob")
    assert mark(owner="ann", background="sha") != mark(owner="bob", background="sha")


def test_it_is_the_same_on_every_replica_and_in_every_version() -> None:
    product = Product(id="P", name="Ünïcode", picture="/p.jpg")
    brief = changed(items=(Item(product=product, quantity=1),))
    assert mark(brief) == mark(Brief.model_validate_json(brief.model_dump_json()))


async def test_the_first_claims_it_and_the_others_are_told_who() -> None:
    prints = Fingerprints(Memory())
    assert await prints.find("f") is None
    claims = await asyncio.gather(*(prints.claim("f", f"g{n}", LONG) for n in range(20)))
    assert {entry.generation_id for entry in claims} == {"g0"}


async def test_a_settled_picture_is_there_for_all_and_stays() -> None:
    prints = Fingerprints(Memory())
    await prints.settle(await prints.claim("f", "g1", LONG), RESULT, LONG)
    await prints.release("f", "g1")
    entry = await prints.claim("f", "g2", LONG)
    assert entry.result == RESULT


async def test_only_who_draws_it_releases_it() -> None:
    prints = Fingerprints(Memory())
    await prints.claim("f", "g1", LONG)
    await prints.release("f", "g2")
    entry = await prints.find("f")
    assert entry is not None
    assert (entry.generation_id, entry.result) == ("g1", None)
    await prints.release("f", "g1")
    assert await prints.find("f") is None


async def test_one_of_many_takes_over_what_will_not_be_finished() -> None:
    prints = Fingerprints(Memory())
    entry = await prints.claim("f", "dead", LONG)
    won = await asyncio.gather(*(prints.take_over(entry, f"g{n}", LONG) for n in range(10)))
    assert won.count(True) == 1
    after = await prints.find("f")
    assert after is not None
    assert after.generation_id == "g0"
    await prints.settle(entry, RESULT, LONG)
    late = await prints.find("f")
    assert late is not None
    assert late.result is None, "a late writer is passed over"


async def test_an_expired_entry_is_free() -> None:
    prints = Fingerprints(Memory())
    await prints.claim("f", "old", now())
    assert (await prints.claim("f", "new", LONG)).generation_id == "new"
