"""What the Firestore adapter promises beyond its port: about faults, and about what it stores."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import grpc
import grpc.aio
import pytest
from emulators import free_port
from google.cloud.firestore_v1 import AsyncClient
from http_server import silent

from imagegenservice.adapters.state_store.firestore import Firestore
from imagegenservice.errors import AlreadyExists, ConfigurationError, Unavailable, VersionConflict
from imagegenservice.model import Document
from imagegenservice.ports import Surroundings
from imagegenservice.urls import AdapterUrl

COMMIT = "/google.firestore.v1.Firestore/Commit"
Forward = Callable[[bytes], Awaitable[bytes]]
Fault = Callable[[Forward, bytes, grpc.aio.ServicerContext], Awaitable[bytes]]


def opened(surroundings: Surroundings, options: str = "") -> AbstractAsyncContextManager[Firestore]:
    return Firestore.open(AdapterUrl.parse(f"firestore://test-project{options}"), surroundings)


class Proxy(grpc.GenericRpcHandler):
    """Stands between the adapter and the emulator. Each fault befalls one commit."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel
        self.faults: list[Fault] = []

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        method = details.method
        metadata = [(name, value) for name, value in details.invocation_metadata if name != "user-agent"]

        async def one(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
            async def forward(request: bytes) -> bytes:
                try:
                    return await self._channel.unary_unary(method)(request, metadata=metadata)
                except grpc.aio.AioRpcError as exc:
                    await context.abort(exc.code(), exc.details() or "")

            fault = self.faults.pop(0) if method == COMMIT and self.faults else None
            return await (fault(forward, request, context) if fault else forward(request))

        async def many(request: bytes, _: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
            async for answer in self._channel.unary_stream(method)(request, metadata=metadata):
                yield answer

        if method in {COMMIT, "/google.firestore.v1.Firestore/DeleteDocument"}:
            return grpc.unary_unary_rpc_method_handler(one)
        return grpc.unary_stream_rpc_method_handler(many)


async def lose_the_answer(forward: Forward, request: bytes, context: grpc.aio.ServicerContext) -> bytes:
    await forward(request)
    await context.abort(grpc.StatusCode.UNAVAILABLE, "connection reset")


async def be_away(_: Forward, __: bytes, context: grpc.aio.ServicerContext) -> bytes:
    await context.abort(grpc.StatusCode.UNAVAILABLE, "try again")


@asynccontextmanager
async def standing_before(server: str) -> AsyncIterator[tuple[str, Proxy]]:
    async with grpc.aio.insecure_channel(server) as channel:
        proxy = Proxy(channel)
        front = grpc.aio.server()
        front.add_generic_rpc_handlers([proxy])
        port = front.add_insecure_port("127.0.0.1:0")
        await front.start()
        try:
            yield f"127.0.0.1:{port}", proxy
        finally:
            await front.stop(0)


@pytest.fixture
async def proxy(firestore_server: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Proxy]:
    async with standing_before(firestore_server) as (address, proxy):
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", address)
        yield proxy


@pytest.fixture
async def store(proxy: Proxy, surroundings: Surroundings) -> AsyncIterator[Firestore]:
    async with opened(surroundings, f"?prefix=t{uuid4().hex}&timeout=10") as store:
        yield store


async def test_a_commit_that_did_not_arrive_is_made_again(store: Firestore, proxy: Proxy) -> None:
    proxy.faults = [be_away, be_away]
    created = await store.create(Document("order", "a", {"n": 1}))
    assert await store.get("order", "a") == created


async def test_a_creation_whose_answer_was_lost_is_a_success(store: Firestore, proxy: Proxy) -> None:
    proxy.faults = [lose_the_answer]
    created = await store.create(Document("order", "a", {"n": 1}, tag="blue"))
    assert await store.get("order", "a") == created
    await store.replace(replace(created, body={"n": 2}))
    with pytest.raises(AlreadyExists):
        await store.create(Document("order", "a", {"n": 1}, tag="blue"))


async def test_a_change_whose_answer_was_lost_is_a_success(store: Firestore, proxy: Proxy) -> None:
    created = await store.create(Document("order", "a", {"n": 1}))
    proxy.faults = [lose_the_answer]
    changed = await store.replace(replace(created, body={"n": 2}))
    assert await store.get("order", "a") == changed
    with pytest.raises(VersionConflict):
        await store.replace(replace(created, body={"n": 3}))


async def test_a_deletion_whose_answer_was_lost_is_a_success(store: Firestore, proxy: Proxy) -> None:
    created = await store.create(Document("order", "a", {"n": 1}))
    proxy.faults = [lose_the_answer]
    await store.delete(created)
    assert await store.get("order", "a") is None


async def test_somebody_elses_change_after_a_lost_answer_is_a_conflict(
    store: Firestore, proxy: Proxy, surroundings: Surroundings
) -> None:
    created = await store.create(Document("order", "a", {"n": 1}))

    async def change_and_be_away(forward: Forward, _: bytes, context: grpc.aio.ServicerContext) -> bytes:
        await store.replace(replace(created, body={"n": "theirs"}))
        return await be_away(forward, b"", context)

    proxy.faults = [change_and_be_away]
    with pytest.raises(VersionConflict):
        await store.replace(replace(created, body={"n": "ours"}))
    found = await store.get("order", "a")
    assert found
    assert found.body == {"n": "theirs"}


async def test_a_firestore_that_stays_away_is_unavailable_within_the_timeout(
    surroundings: Surroundings, proxy: Proxy
) -> None:
    proxy.faults = [be_away] * 100
    async with opened(surroundings, "?timeout=1") as store:
        started = time.monotonic()
        with pytest.raises(Unavailable):
            await store.create(Document("order", "a", {}))
        assert time.monotonic() - started < 3


@pytest.mark.parametrize("kind", ["refusing", "silent"])
async def test_a_server_that_does_not_answer_is_unavailable_within_the_timeout(
    kind: str, surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with silent() as address:
        place = address if kind == "silent" else f"127.0.0.1:{free_port()}"
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", place)
        async with opened(surroundings, "?timeout=0.8") as store:
            document = Document("order", "a", {}, version="2026-01-02T03:04:05.678901Z/1")
            started = time.monotonic()
            outcomes = await asyncio.gather(
                store.create(document),
                store.get("order", "a"),
                store.replace(document),
                store.delete(document),
                store.tagged("order", "blue", 1),
                store.expired("order", 1),
                return_exceptions=True,
            )
            assert time.monotonic() - started < 1.5
            assert {type(outcome) for outcome in outcomes} == {Unavailable}


async def test_without_credentials_it_opens_and_says_unavailable_at_once(
    surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FIRESTORE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/account.json")
    async with opened(surroundings) as store:
        started = time.monotonic()
        with pytest.raises(Unavailable):
            await store.get("order", "a")
        assert time.monotonic() - started < 2


@pytest.mark.parametrize("url", ["firestore://p/a/b", "firestore://p?prefix=a/b", "firestore://p?timeout=0"])
async def test_a_wrong_url_is_refused(url: str, surroundings: Surroundings) -> None:
    with pytest.raises(ConfigurationError):
        async with Firestore.open(AdapterUrl.parse(url), surroundings):
            raise AssertionError("it was opened")


async def test_without_a_project_it_is_refused(surroundings: Surroundings) -> None:
    with pytest.raises(ConfigurationError, match="project"):
        async with Firestore.open(AdapterUrl.parse("firestore://"), replace(surroundings, project="")):
            raise AssertionError("it was opened")


async def test_databases_and_prefixes_are_worlds_of_their_own(
    firestore_server: str, surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_server)
    name = uuid4().hex
    async with (
        opened(surroundings, "?prefix=one") as one,
        opened(surroundings, "?prefix=two") as two,
        opened(surroundings, "/other-database?prefix=one") as three,
    ):
        for number, store in enumerate([one, two, three]):
            await store.create(Document("order", name, {"n": number}))
        for number, store in enumerate([one, two, three]):
            found = await store.get("order", name)
            assert found
            assert found.body == {"n": number}


async def test_the_end_of_a_document_is_a_timestamp_that_a_ttl_policy_can_use(
    firestore_server: str, surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_server)
    prefix, end = f"t{uuid4().hex}", datetime(2090, 1, 2, tzinfo=UTC)
    async with opened(surroundings, f"?prefix={prefix}") as store:
        await store.create(Document("order", "a", {}, expires_at=end))
    client = AsyncClient("test-project")
    stored = await client.collection(f"{prefix}-order").document("a").get()
    await client._firestore_api.transport.close()
    assert stored.get("expires_at") == end
