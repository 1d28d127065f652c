"""What every object storage promises, against every adapter of the table."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta

import pytest

from imagegenservice.adapters.tables import OBJECT_STORAGE
from imagegenservice.errors import AlreadyExists, ConfigurationError, KeyNotFound
from imagegenservice.ports import ObjectStorage, Surroundings
from imagegenservice.urls import AdapterUrl

OpenStorage = Callable[[], AbstractAsyncContextManager[ObjectStorage]]
lasting = pytest.mark.parametrize("storage_scheme", sorted(set(OBJECT_STORAGE.rows) - {"memory"}))

KEY = "pictures/0a1b2c.jpg"
BAD_KEYS = [
    *("", "/", "..", ".", "../x", "a/../b", "a//b", "/etc/passwd", "a/", ".hidden", "a/.hidden"),
    *("a\\b", "a\0b", "käse", "a b", "%2e%2e/x", "C:x", "a\n", "x" * 600),
]


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=60)


@pytest.mark.parametrize(
    "data",
    [b"", bytes(range(256)) * 40, b"\r\n--boundary\r\n", os.urandom(9_000_000)],
    ids=["nothing", "every byte", "line ends", "nine megabytes"],
)
async def test_the_very_bytes_come_back(storage: ObjectStorage, data: bytes) -> None:
    await storage.put(KEY, data, "image/jpeg")
    assert await storage.get(KEY) == data


async def test_an_object_is_never_overwritten(storage: ObjectStorage) -> None:
    await storage.put(KEY, b"first", "image/jpeg")
    for other in [b"other", b"longer than the first", b""]:
        with pytest.raises(AlreadyExists):
            await storage.put(KEY, other, "image/jpeg")
    assert await storage.get(KEY) == b"first"


async def test_equal_bytes_may_be_put_again(storage: ObjectStorage) -> None:
    await storage.put(KEY, b"same", "image/jpeg")
    await storage.put(KEY, b"same", "image/jpeg")
    assert await storage.get(KEY) == b"same"


async def test_twenty_who_put_equal_bytes_all_succeed(storage: ObjectStorage) -> None:
    data = os.urandom(100_000)
    await asyncio.gather(*(storage.put(KEY, data, "image/jpeg") for _ in range(20)))
    assert await storage.get(KEY) == data


async def test_of_twenty_who_put_different_bytes_one_succeeds(storage: ObjectStorage) -> None:
    outcomes = await asyncio.gather(
        *(storage.put(KEY, bytes([n]) * 50_000, "image/jpeg") for n in range(20)), return_exceptions=True
    )
    winners = [n for n, outcome in enumerate(outcomes) if outcome is None]
    assert len(winners) == 1
    assert sum(isinstance(outcome, AlreadyExists) for outcome in outcomes) == 19
    assert await storage.get(KEY) == bytes(winners) * 50_000


async def test_a_missing_key_is_not_found(storage: ObjectStorage) -> None:
    await storage.put(KEY, b"x", "image/jpeg")
    for key in ["pictures/other.jpg", "pictures", "0a1b2c.jpg", f"{KEY}/below"]:
        with pytest.raises(KeyNotFound):
            await storage.get(key)


@pytest.mark.parametrize("key", BAD_KEYS)
async def test_what_is_no_key_is_neither_found_nor_stored(storage: ObjectStorage, key: str) -> None:
    with pytest.raises(KeyNotFound):
        await storage.get(key)
    with pytest.raises(ValueError, match="not an object key"):
        await storage.put(key, b"x", "image/jpeg")
    await storage.delete(key)
    assert await storage.list_older("", soon(), 10) == []


async def test_a_deleted_object_is_gone_and_may_be_deleted_again(storage: ObjectStorage) -> None:
    await storage.put(KEY, b"first", "image/jpeg")
    await storage.delete(KEY)
    with pytest.raises(KeyNotFound):
        await storage.get(KEY)
    await storage.delete(KEY)
    await storage.delete("pictures/never.jpg")
    await storage.put(KEY, b"second", "image/jpeg")
    assert await storage.get(KEY) == b"second"


async def test_a_list_holds_what_is_below_the_prefix_and_older(storage: ObjectStorage) -> None:
    for key in ["pictures/a.jpg", "pictures/b.jpg", "pictures/deep/c.jpg", "backgrounds/a.jpg"]:
        await storage.put(key, b"x", "image/jpeg")
    pictures = ["pictures/a.jpg", "pictures/b.jpg", "pictures/deep/c.jpg"]
    assert sorted(await storage.list_older("pictures/", soon(), 10)) == pictures
    assert await storage.list_older("pictures/b", soon(), 10) == ["pictures/b.jpg"]
    assert len(await storage.list_older("", soon(), 10)) == 4
    assert len(await storage.list_older("pictures/", soon(), 2)) == 2
    assert await storage.list_older("pictures/", datetime.now(UTC) - timedelta(hours=1), 10) == []
    assert await storage.list_older("nothing/", soon(), 10) == []
    assert await storage.list_older("../", soon(), 10) == []


async def test_equal_bytes_that_are_put_again_count_as_stored_now(storage: ObjectStorage) -> None:
    await storage.put("pictures/a.jpg", b"a", "image/jpeg")
    await storage.put("pictures/b.jpg", b"b", "image/jpeg")
    await asyncio.sleep(0.05)
    between = datetime.now(UTC)
    await asyncio.sleep(0.05)
    await storage.put("pictures/a.jpg", b"a", "image/jpeg")
    assert await storage.list_older("pictures/", between, 10) == ["pictures/b.jpg"]


async def test_by_default_our_own_door_serves_the_pictures(storage: ObjectStorage) -> None:
    await storage.put(KEY, b"x", "image/jpeg")
    assert await storage.url(KEY) is None


async def test_a_caller_who_goes_away_leaves_a_whole_object_or_none(storage: ObjectStorage) -> None:
    data = os.urandom(300_000)
    for n in range(12):
        key = f"pictures/{n}.jpg"
        task = asyncio.ensure_future(storage.put(key, data, "image/jpeg"))
        await asyncio.sleep(n * 0.0005)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        try:
            assert await storage.get(key) == data
        except KeyNotFound:
            await storage.put(key, data, "image/jpeg")
            assert await storage.get(key) == data


@lasting
async def test_objects_survive_the_closing_of_the_storage(open_storage: OpenStorage) -> None:
    async with open_storage() as storage, open_storage() as other:
        await storage.put(KEY, b"x", "image/jpeg")
        assert await other.get(KEY) == b"x"
        with pytest.raises(AlreadyExists):
            await other.put(KEY, b"y", "image/jpeg")
    async with open_storage() as storage:
        assert await storage.get(KEY) == b"x"


async def test_an_unknown_option_is_refused(storage_url: str, surroundings: Surroundings) -> None:
    with pytest.raises(ConfigurationError, match=r"timeout|nothing more|without options"):
        async with OBJECT_STORAGE.open(AdapterUrl.parse(f"{storage_url}?tiemout=3"), surroundings):
            raise AssertionError("it was opened")
