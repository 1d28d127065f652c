from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from imagegenservice.adapters.object_storage.memory import Memory as Storage
from imagegenservice.adapters.state_store.memory import Memory as Store
from imagegenservice.errors import KeyNotFound, VersionConflict
from imagegenservice.gallery import KEY, KIND, Gallery
from imagegenservice.keyring import Keyring
from imagegenservice.model import Document, Picture
from imagegenservice.records import now

PICTURE = Picture(b"\xff\xd8 a picture", "image/jpeg", 640, 480)
MOMENT = timedelta(milliseconds=30)
LONG = timedelta(hours=1)


@pytest.fixture
def storage() -> Storage:
    return Storage()


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def gallery(storage: Storage, store: Store) -> Gallery:
    return Gallery(storage, store, Keyring(b"a root key"), "http://shop.example/")


async def expired(store: Store) -> Document:
    """The first picture that expires, as soon as it does."""
    while not (found := await store.expired(KIND, 1)):
        pass
    return found[0]


async def test_a_kept_picture_can_be_read_and_says_what_it_is(gallery):
    asset = await gallery.keep(PICTURE, now() + LONG, source_type="compositeCapture")
    assert await gallery.read(asset.key) == PICTURE.data
    assert (asset.width, asset.height, asset.size) == (640, 480, len(PICTURE.data))
    assert KEY.fullmatch(asset.key)
    assert await gallery.url(asset.key) == f"http://shop.example/{asset.key}"


async def test_the_same_picture_of_the_same_owner_is_kept_once(gallery):
    first = await gallery.keep(PICTURE, now() + LONG, owner="a")
    assert await gallery.keep(PICTURE, now() + LONG, owner="a") == first


async def test_names_differ_between_owners_folders_and_keys(gallery, storage, store):
    other = Gallery(storage, store, Keyring(b"another root key"))
    assets = [
        await gallery.keep(PICTURE, now() + LONG, owner="a"),
        await gallery.keep(PICTURE, now() + LONG, owner="b"),
        await gallery.keep(PICTURE, now() + LONG, owner="a", folder="backgrounds"),
        await other.keep(PICTURE, now() + LONG, owner="a"),
    ]
    assert len({asset.key for asset in assets}) == 4


async def test_an_expired_picture_is_removed_with_its_bytes(gallery, store):
    asset = await gallery.keep(PICTURE, now() + MOMENT)
    await gallery.remove(await expired(store))
    assert await store.expired(KIND, 1) == []
    with pytest.raises(KeyNotFound):
        await gallery.read(asset.key)


async def test_a_renewed_picture_outlives_its_first_term(gallery, store):
    asset = await gallery.keep(PICTURE, now() + LONG)
    assert await gallery.renew(asset, now() + 2 * LONG)
    documents = await store.tagged(KIND, "", 1)
    assert documents[0].expires_at > now() + LONG


async def test_what_is_gone_cannot_be_renewed(gallery, store):
    asset = await gallery.keep(PICTURE, now() + MOMENT)
    await gallery.remove(await expired(store))
    assert not await gallery.renew(asset, now() + LONG)


async def test_a_picture_kept_again_in_the_meantime_is_not_removed(gallery, store):
    asset = await gallery.keep(PICTURE, now() + MOMENT)
    old = await expired(store)
    await gallery.keep(PICTURE, now() + LONG)
    with pytest.raises(VersionConflict):
        await gallery.remove(old)
    assert await gallery.read(asset.key) == PICTURE.data


async def test_bytes_that_no_record_names_are_removed_and_others_stay(gallery, storage):
    asset = await gallery.keep(PICTURE, now() + LONG)
    stray = f"pictures/{'0' * 40}.jpg"
    await storage.put(stray, b"left by a crash", "image/jpeg")
    assert await gallery.remove_strays("pictures/", now() + LONG, 10) == 1
    assert await gallery.read(asset.key) == PICTURE.data
    with pytest.raises(KeyNotFound):
        await gallery.read(stray)


async def test_young_strays_are_left_alone(gallery, storage):
    await storage.put(f"pictures/{'0' * 40}.jpg", b"being stored at this moment", "image/jpeg")
    assert await gallery.remove_strays("pictures/", now() - LONG, 10) == 0


async def test_many_orders_of_one_picture_at_once_all_hold_it(gallery):
    asset = await gallery.keep(PICTURE, now() + LONG)
    held = await asyncio.gather(*(gallery.renew(asset, now() + 2 * LONG) for _ in range(200)))
    assert all(held)
