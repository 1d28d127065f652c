"""What every state store promises, against every adapter of the table."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from imagegenservice.adapters.tables import STATE_STORES
from imagegenservice.errors import AlreadyExists, ConfigurationError, VersionConflict
from imagegenservice.model import Document
from imagegenservice.ports import StateStore, Surroundings
from imagegenservice.urls import AdapterUrl

OpenStore = Callable[[], AbstractAsyncContextManager[StateStore]]
lasting = pytest.mark.parametrize("store_scheme", sorted(set(STATE_STORES.rows) - {"memory"}))


def document(name: str = "a", **fields: object) -> Document:
    return replace(Document("order", name, {"n": 0}), **fields)  # type: ignore[arg-type]


def in_seconds(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def ids(documents: list[Document]) -> list[str]:
    return [found.id for found in documents]


async def test_what_is_created_can_be_read(store: StateStore) -> None:
    given = document(tag="blue", expires_at=in_seconds(60))
    created = await store.create(given)
    assert created.version
    assert replace(created, version="") == given
    assert await store.get("order", "a") == created


async def test_a_document_that_is_not_there_is_none(store: StateStore) -> None:
    await store.create(document())
    assert await store.get("order", "b") is None
    assert await store.get("upload", "a") is None


async def test_a_document_is_created_once(store: StateStore) -> None:
    first = await store.create(document(body={"n": 1}))
    with pytest.raises(AlreadyExists):
        await store.create(document(body={"n": 2}))
    assert await store.get("order", "a") == first


async def test_of_twenty_who_create_one_document_one_succeeds(store: StateStore) -> None:
    outcomes = await asyncio.gather(
        *(store.create(document(body={"n": n})) for n in range(20)), return_exceptions=True
    )
    winners = [outcome for outcome in outcomes if isinstance(outcome, Document)]
    assert len(winners) == 1
    assert sum(isinstance(outcome, AlreadyExists) for outcome in outcomes) == 19
    assert await store.get("order", "a") == winners[0]


async def test_a_replaced_document_has_a_new_version(store: StateStore) -> None:
    created = await store.create(document(tag="blue"))
    replaced = await store.replace(replace(created, body={"n": 1}, tag="red", expires_at=in_seconds(60)))
    assert replaced.version != created.version
    assert await store.get("order", "a") == replaced
    again = await store.replace(replace(replaced, tag="", expires_at=None))
    assert await store.get("order", "a") == again


async def test_a_stale_version_changes_nothing(store: StateStore) -> None:
    created = await store.create(document())
    current = await store.replace(replace(created, body={"n": 1}))
    with pytest.raises(VersionConflict):
        await store.replace(replace(created, body={"n": 2}))
    with pytest.raises(VersionConflict):
        await store.delete(created)
    assert await store.get("order", "a") == current


async def test_a_document_without_a_version_replaces_nothing(store: StateStore) -> None:
    current = await store.create(document())
    with pytest.raises(VersionConflict):
        await store.replace(document(body={"n": 1}))
    with pytest.raises(VersionConflict):
        await store.delete(document())
    assert await store.get("order", "a") == current


async def test_of_twenty_who_replace_one_version_one_succeeds_each_time(store: StateStore) -> None:
    current = await store.create(document())
    for turn in range(3):
        outcomes = await asyncio.gather(
            *(store.replace(replace(current, body={"turn": turn, "n": n})) for n in range(20)),
            return_exceptions=True,
        )
        winners = [outcome for outcome in outcomes if isinstance(outcome, Document)]
        assert len(winners) == 1
        assert sum(isinstance(outcome, VersionConflict) for outcome in outcomes) == 19
        current = winners[0]
        assert await store.get("order", "a") == current


async def test_twenty_who_try_again_all_get_their_turn(store: StateStore) -> None:
    await store.create(document())

    async def add_one() -> None:
        while True:
            current = await store.get("order", "a")
            assert current
            try:
                await store.replace(replace(current, body={"n": current.body["n"] + 1}))
            except VersionConflict:
                continue
            return

    await asyncio.gather(*(add_one() for _ in range(20)))
    final = await store.get("order", "a")
    assert final
    assert final.body == {"n": 20}


async def test_a_deleted_document_is_gone(store: StateStore) -> None:
    created = await store.create(document(tag="blue"))
    await store.delete(created)
    assert await store.get("order", "a") is None
    assert await store.tagged("order", "blue", 10) == []
    with pytest.raises(VersionConflict):
        await store.delete(created)
    with pytest.raises(VersionConflict):
        await store.replace(created)


async def test_an_old_version_does_not_fit_a_document_that_was_made_again(store: StateStore) -> None:
    first = await store.create(document())
    await store.delete(first)
    second = await store.create(document())
    with pytest.raises(VersionConflict):
        await store.replace(first)
    assert await store.get("order", "a") == second


async def test_an_expired_document_is_gone_for_readers(store: StateStore) -> None:
    await store.create(document("past", tag="blue", expires_at=in_seconds(-1)))
    await store.create(document("future", tag="blue", expires_at=in_seconds(60)))
    await store.create(document("never", tag="blue"))
    assert await store.get("order", "past") is None
    assert await store.get("order", "future")
    assert ids(await store.tagged("order", "blue", 10)) == ["future", "never"]


async def test_a_document_expires_by_the_clock(store: StateStore) -> None:
    end = in_seconds(0.3)
    await store.create(document(expires_at=end))
    while await store.get("order", "a"):
        assert datetime.now(UTC) < end + timedelta(seconds=5)
        await asyncio.sleep(0.02)
    assert datetime.now(UTC) >= end


async def test_an_expired_document_makes_room_for_a_new_one(store: StateStore) -> None:
    old = await store.create(document(tag="blue", body={"n": 1}, expires_at=in_seconds(-1)))
    await store.create(document("b", tag="blue"))
    new = await store.create(document(tag="blue", body={"n": 2}))
    assert await store.get("order", "a") == new
    assert ids(await store.tagged("order", "blue", 10)) == ["b", "a"]
    assert await store.expired("order", 10) == []
    with pytest.raises(VersionConflict):
        await store.delete(old)


async def test_of_twenty_who_replace_an_expired_document_one_succeeds(store: StateStore) -> None:
    await store.create(document(expires_at=in_seconds(-1)))
    outcomes = await asyncio.gather(
        *(store.create(document(body={"n": n})) for n in range(20)), return_exceptions=True
    )
    assert sum(isinstance(outcome, Document) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, AlreadyExists) for outcome in outcomes) == 19


async def test_expired_documents_are_listed_until_they_are_deleted(store: StateStore) -> None:
    for seconds, name in enumerate(["late", "middle", "early"], start=1):
        await store.create(document(name, expires_at=in_seconds(-seconds)))
    await store.create(document("future", expires_at=in_seconds(60)))
    await store.create(document("never"))
    await store.create(replace(document("other", expires_at=in_seconds(-9)), kind="upload"))
    assert ids(await store.expired("order", 10)) == ["early", "middle", "late"]
    assert ids(await store.expired("order", 2)) == ["early", "middle"]
    for found in await store.expired("order", 10):
        await store.delete(found)
    assert await store.expired("order", 10) == []
    assert ids(await store.expired("upload", 10)) == ["other"]


async def test_an_expired_document_that_was_given_more_time_is_not_deleted(store: StateStore) -> None:
    expired = await store.create(document(expires_at=in_seconds(-1)))
    current = await store.replace(replace(expired, expires_at=in_seconds(60)))
    with pytest.raises(VersionConflict):
        await store.delete(expired)
    assert await store.get("order", "a") == current


async def test_a_time_of_another_zone_is_the_same_moment(store: StateStore) -> None:
    end = datetime(2090, 1, 2, 3, 4, 5, 678901, timezone(timedelta(hours=5, minutes=30)))
    await store.create(document(expires_at=end))
    found = await store.get("order", "a")
    assert found
    assert found.expires_at == end


async def test_a_tag_finds_its_documents_oldest_first(store: StateStore) -> None:
    for n in [3, 1, 2]:
        await store.create(document(f"d{n}", tag="blue"))
    await store.create(document("red", tag="red"))
    await store.create(document("bluish", tag="blue "))
    await store.create(document("b", tag="blu"))
    await store.create(document("none"))
    await store.create(replace(document("other", tag="blue"), kind="upload"))
    assert ids(await store.tagged("order", "blue", 10)) == ["d3", "d1", "d2"]
    assert ids(await store.tagged("order", "blue", 2)) == ["d3", "d1"]
    assert ids(await store.tagged("order", "green", 2)) == []


async def test_a_change_keeps_a_documents_place_among_its_tag(store: StateStore) -> None:
    first = await store.create(document("first", tag="blue"))
    await store.create(document("second", tag="blue"))
    await store.replace(replace(first, body={"n": 1}))
    assert ids(await store.tagged("order", "blue", 10)) == ["first", "second"]


async def test_a_changed_tag_is_found_and_the_old_one_is_not(store: StateStore) -> None:
    created = await store.create(document(tag="blue"))
    changed = await store.replace(replace(created, tag="red"))
    assert await store.tagged("order", "blue", 10) == []
    assert await store.tagged("order", "red", 10) == [changed]
    await store.replace(replace(changed, tag=""))
    assert await store.tagged("order", "red", 10) == []


async def test_expired_documents_do_not_use_up_the_limit_of_a_tag(store: StateStore) -> None:
    for n in range(5):
        await store.create(document(f"past{n}", tag="blue", expires_at=in_seconds(-1)))
    await store.create(document("here", tag="blue"))
    await store.create(document("too", tag="blue"))
    assert ids(await store.tagged("order", "blue", 2)) == ["here", "too"]


@pytest.mark.parametrize(
    "name", ["a/b", "..", ".", "__name__", "per%cent", "käse", "名前", "x y", "a.b", "-", "q" * 256]
)
async def test_an_id_may_be_any_text(store: StateStore, name: str) -> None:
    created = await store.create(document(name, tag=f"of {name}"))
    assert await store.get("order", name) == created
    assert ids(await store.tagged("order", f"of {name}", 1)) == [name]
    await store.delete(created)


async def test_a_body_comes_back_as_it_was(store: StateStore) -> None:
    body = {
        "text": "Käse 🧀 \u0000 \u202e 'quoted' \"twice\" \\ \n",
        "a.b/c`d": {"": None, "deep": [[], {}, [1, 2.5, -0.0, 1e300, 2**53, True, False, None]]},
        "__x__": ["", "0"],
    }
    await store.create(document(body=body))
    found = await store.get("order", "a")
    assert found
    assert found.body == body
    assert list(found.body) == list(body)


async def test_a_body_of_900_kb_is_kept_and_a_larger_one_is_refused(store: StateStore) -> None:
    largest = {"t": "ä" * ((900_000 - len('{"t":""}')) // 2)}
    created = await store.create(document(body=largest, tag="big"))
    found = await store.get("order", "a")
    assert found
    assert found.body == largest
    with pytest.raises(ValueError, match="900"):
        await store.replace(replace(created, body={"t": largest["t"] + "ä"}))
    assert await store.get("order", "a") == created


async def test_what_is_done_to_a_body_afterwards_is_not_stored(store: StateStore) -> None:
    body = {"list": [1]}
    created = await store.create(document(body=body))
    body["list"].append(2)
    created.body["more"] = 1
    first = await store.get("order", "a")
    assert first
    first.body["list"].append(3)
    second = await store.get("order", "a")
    assert second
    assert second.body == {"list": [1]}


async def test_a_caller_who_goes_away_does_no_harm(store: StateStore) -> None:
    current = await store.create(document(body={"n": -1}))
    for n in range(30):
        task = asyncio.ensure_future(store.replace(replace(current, body={"n": n})))
        for _ in range(n % 6):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        found = await store.get("order", "a")
        assert found
        assert found.body["n"] in range(-1, n + 1)
        current = found
    done = None
    while done is None:
        try:
            done = await store.replace(replace(current, body={"n": "done"}))
        except VersionConflict:  # a write whose caller went away may still have arrived
            current = await store.get("order", "a") or current
    assert await store.get("order", "a") == done


@lasting
async def test_two_handles_see_each_others_documents(open_store: OpenStore) -> None:
    async with open_store() as one, open_store() as other:
        created = await one.create(document(tag="blue"))
        assert await other.get("order", "a") == created
        changed = await other.replace(replace(created, body={"n": 1}))
        assert await one.tagged("order", "blue", 1) == [changed]
        with pytest.raises(VersionConflict):
            await one.replace(created)
        with pytest.raises(AlreadyExists):
            await other.create(document())


@lasting
async def test_documents_survive_the_closing_of_the_store(open_store: OpenStore) -> None:
    async with open_store() as store:
        created = await store.create(document(tag="blue", expires_at=in_seconds(60)))
    async with open_store() as store:
        assert await store.get("order", "a") == created
        await store.replace(replace(created, body={"n": 1}))


async def test_an_unknown_option_is_refused(store_url: str, surroundings: Surroundings) -> None:
    url = AdapterUrl.parse(store_url + ("&" if "?" in store_url else "?") + "tiemout=3")
    with pytest.raises(ConfigurationError, match=r"timeout|nothing more"):
        async with STATE_STORES.open(url, surroundings):
            raise AssertionError("it was opened")
