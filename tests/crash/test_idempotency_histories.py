"""Thousands of random histories of keys, against the real core: the promises of an idempotency key hold."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from bugs import BUGS

from imagegenservice.adapters.state_store.memory import Memory
from imagegenservice.adapters.state_store.watched import WatchedStore
from imagegenservice.app import open_app
from imagegenservice.demo.products import PRODUCTS
from imagegenservice.errors import IdempotencyKeyReused, InvalidInput, Overloaded, Refusal, Unavailable
from imagegenservice.generation import Generator
from imagegenservice.idempotency import IdempotencyKeys
from imagegenservice.model import CartLine
from imagegenservice.order import check_order
from imagegenservice.ports import StateStore
from imagegenservice.settings import load
from imagegenservice.studio import Studio

CUP = PRODUCTS[0].id
USERS = ("ann", "bob", "")
KEYS = ("k", "K", "a b", "k" * 255)
STYLES = ("modern", "vintage")


@dataclass
class Model:
    """What must be, said as simply as it can be."""

    taken: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    """user and key -> request and generation."""
    ids: set[str] = field(default_factory=set)


@dataclass
class Replica:
    generator: Generator
    store: Any
    studio: Studio


class Failing:
    """A store that says Unavailable now and then: before it did what it was asked to, or after it."""

    def __init__(self, inner: StateStore, chance: random.Random) -> None:
        self._inner = inner
        self._chance = chance
        self.share = 0.0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)

        async def call(*args: Any) -> Any:
            if self._chance.random() < self.share / 2:
                raise Unavailable
            result = await method(*args)
            if self._chance.random() < self.share / 2:
                raise Unavailable
            return result

        return call


@asynccontextmanager
async def replicas(
    count: int, store: str, folder: Path, chance: random.Random
) -> AsyncIterator[list[Replica]]:
    """Cores on one store; nothing is drawn, so that only accepting is looked at."""
    async with AsyncExitStack() as stack:
        opened = []
        for _ in range(count):
            settings = load(
                cart_service_addr="demo://",
                product_catalog_service_addr="demo://",
                image_models=("compositor://",),
                object_storage="memory://",
                owner_hash_key="a key",
                data_dir=folder,
                state_store=store,
                queue_size=10_000,
                owner_queue_size=10_000,
                lease_seconds=60,
            )
            app = await stack.enter_async_context(open_app(settings))
            app.studio.start = lambda claim: None  # type: ignore[method-assign]
            guarded = app.core.generator._records._store
            assert isinstance(guarded, WatchedStore)
            guarded._neighbour.breaker._limit = 10**9
            failing = Failing(guarded.unguarded, chance)
            guarded.unguarded = failing  # type: ignore[assignment]
            opened.append(Replica(app.core.generator, failing, app.studio))
        yield opened


async def send(replica: Replica, user: str, key: str, style: str, *, known: bool = True) -> str:
    """The generation, or why there is none."""
    lines = [CartLine(product_id=CUP if known else "NO-SUCH", quantity=1)]
    try:
        order = check_order(user_id=user, lines=lines, style=style, idempotency_key=key)
        return (await replica.generator.generate(order)).id
    except (Refusal, Unavailable, Overloaded) as exc:
        return exc.reason


def expect(model: Model, user: str, key: str, style: str, answer: str, *, known: bool) -> None:
    request = f"{style} {known}"
    taken = model.taken.get((user, key))
    if answer == "UNAVAILABLE":
        return
    if taken is not None and taken[0] != request:
        assert answer == IdempotencyKeyReused.reason, (user, key, answer)
    elif not known:
        assert answer == "PRODUCTS_UNKNOWN"
    elif taken is not None:
        assert answer == taken[1], (user, key)
    else:
        assert answer not in model.ids, "another order's generation"
        model.taken[user, key] = (request, answer)
        model.ids.add(answer)


async def history(opened: list[Replica], chance: random.Random, steps: int) -> int:
    """Random calls, some at the same time, with a fresh set of keys; how many there were."""
    model, name = Model(), uuid4().hex
    # A call that was not answered may have taken its key: from then on only its own request may be sent.
    unsure: dict[tuple[str, str], str] = {}
    done = 0
    for _ in range(steps):
        user, key = chance.choice(USERS), chance.choice(KEYS)[: 255 - len(name)] + name
        style, known = chance.choice(STYLES), chance.random() < 0.8
        if (user, key) in unsure:
            style, known = unsure[user, key], True
        for replica in opened:
            replica.store.share = chance.choice((0, 0, 0, 0.3))
        calls = chance.choice((1, 1, 1, 2, 5))
        targets = [chance.choice(opened) for _ in range(calls)]
        answers = await asyncio.gather(*(send(target, user, key, style, known=known) for target in targets))
        done += calls
        for answer in sorted(answers, key=lambda found: found == "UNAVAILABLE"):
            expect(model, user, key, style, answer, known=known)
            if answer == "UNAVAILABLE" and known and (user, key) not in model.taken:
                unsure[user, key] = style
    await settle(opened, model, unsure)
    return done


async def settle(opened: list[Replica], model: Model, unsure: dict[tuple[str, str], str]) -> None:
    """With a store that is well again every key answers, the same at each replica."""
    for replica in opened:
        replica.store.share = 0.0
    for (user, key), style in unsure.items():
        answers = {await send(replica, user, key, style) for replica in opened}
        for answer in answers:
            expect(model, user, key, style, answer, known=True)
        assert len(answers) == 1
    for replica in opened:
        for generation_id in model.ids:
            replica.studio.release(generation_id)


def url_of(store: str, folder: Path) -> str:
    return {
        "memory": "memory://",
        "sqlite": f"sqlite:///{folder}/state.db",
        "firestore": f"firestore://test-project?prefix=i{uuid4().hex}",
    }[store]


async def histories(store: str, folder: Path, operations: int, seed: int) -> None:
    chance, done = random.Random(seed), 0
    # Two replicas cannot share what one process remembers.
    count = 1 if store == "memory" else 2
    async with replicas(count, url_of(store, folder), folder, chance) as opened:
        while done < operations:
            done += await history(opened, chance, steps=40)


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("store", "operations"), [("memory", 10_000), ("sqlite", 4_000)])
async def test_random_histories_keep_the_promises_of_a_key(
    tmp_path: Path, store: str, operations: int
) -> None:
    await histories(store, tmp_path, operations, seed=1)


@pytest.mark.timeout(240)
async def test_random_histories_keep_the_promises_of_a_key_on_firestore(
    tmp_path: Path, firestore_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_server)
    await histories("firestore", tmp_path, 400, seed=2)


def test_a_key_of_256_characters_is_none() -> None:
    with pytest.raises(InvalidInput):
        check_order(user_id="ann", idempotency_key="k" * 256)


async def test_a_key_is_kept_for_a_day_and_no_longer_than_needed() -> None:
    store = Memory()
    keys = IdempotencyKeys(store)
    assert await keys.claim("ann", "k", "a request", "g1") == "g1"
    [document] = [kept.document for kept in store._kept.values()]
    assert document.expires_at is not None
    assert timedelta(hours=24) < document.expires_at - datetime.now(UTC) <= timedelta(hours=48)


@pytest.mark.parametrize("bug", ["key_forgotten", "key_of_a_refused_request"])
async def test_the_histories_see_a_core_that_breaks_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bug: str
) -> None:
    for owner, name in ((IdempotencyKeys, "claim"), (Generator, "_accept")):
        monkeypatch.setattr(owner, name, getattr(owner, name))  # put back at the end
    BUGS[bug]()
    with pytest.raises(AssertionError):
        await histories("sqlite", tmp_path, 500, seed=3)
