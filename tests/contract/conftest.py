"""Every adapter of the tables, opened as a contract suite wants it."""

from __future__ import annotations

import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from uuid import uuid4

import pytest

from imagegenservice.adapters.tables import OBJECT_STORAGE, STATE_STORES
from imagegenservice.ports import ObjectStorage, StateStore, Surroundings
from imagegenservice.urls import AdapterUrl

OpenStore = Callable[[], AbstractAsyncContextManager[StateStore]]
OpenStorage = Callable[[], AbstractAsyncContextManager[ObjectStorage]]


@pytest.fixture(params=sorted(STATE_STORES.rows))
def store_scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=sorted(OBJECT_STORAGE.rows))
def storage_scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def store_url(
    store_scheme: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> str:
    """A URL of an empty store."""
    if store_scheme == "sqlite":
        return f"sqlite:///{tmp_path}/data/state.db"
    if store_scheme == "firestore":
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", request.getfixturevalue("firestore_server"))
        return f"firestore://test-project?prefix=t{uuid4().hex}"
    return f"{store_scheme}://"


@pytest.fixture
def open_store(store_url: str, surroundings: Surroundings) -> OpenStore:
    """Opens the same store each time (memory:// excepted)."""
    return lambda: STATE_STORES.open(AdapterUrl.parse(store_url), surroundings)


@pytest.fixture
async def store(open_store: OpenStore) -> AsyncIterator[StateStore]:
    async with open_store() as opened:
        yield opened


def new_bucket(server: str) -> str:
    name = f"b{uuid4().hex}"
    request = urllib.request.Request(
        f"{server}/storage/v1/b?project=test-project",
        data=f'{{"name": "{name}"}}'.encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10):
        return name


@pytest.fixture
def bucket(gcs_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new bucket of the fake-gcs-server, which the adapter is told to use."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_server)
    return new_bucket(gcs_server)


@pytest.fixture
def storage_url(storage_scheme: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A URL of an empty storage."""
    if storage_scheme == "file":
        return f"file://{tmp_path}/pictures"
    if storage_scheme == "gs":
        return f"gs://{request.getfixturevalue('bucket')}/some/prefix"
    return f"{storage_scheme}://"


@pytest.fixture
def open_storage(storage_url: str, surroundings: Surroundings) -> OpenStorage:
    """Opens the same storage each time (memory:// excepted)."""
    return lambda: OBJECT_STORAGE.open(AdapterUrl.parse(storage_url), surroundings)


@pytest.fixture
async def storage(open_storage: OpenStorage) -> AsyncIterator[ObjectStorage]:
    async with open_storage() as opened:
        yield opened
