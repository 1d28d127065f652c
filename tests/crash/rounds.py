"""One round: orders, a death or a standstill at a named point, a new process, and all that became of it."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import grpc
from checker import TERMINAL, Evidence, Told, bill, documents, objects
from children import Child, Nursery, client_of
from fakes.gemini import FakeGemini
from fakes.service import CUP, Client

from imagegenservice.failpoints import POINTS
from imagegenservice.pb import imagegen_pb2 as pb

IN_ORDER: Final = tuple(
    point for point in POINTS if point not in {"swept", "removing", "draining", "handed-back"}
)
"""Points that a mere order passes, twice when two are made."""
ZOMBIES: Final = tuple(point for point in IN_ORDER if point not in {"key-claimed", "before-reply"})
CALM: Final = "calm"
LEASE: Final = 1.0
ENDS_WITHIN: Final = 45.0
PROJECT: Final = "test-project"


@dataclass(frozen=True)
class Plan:
    """What happens in a round. `point` may be "calm": nothing does, with two replicas and a slow model."""

    point: str
    store: str
    seed: int
    stop: bool = False
    bug: str = ""

    def __str__(self) -> str:
        how = ":stop" if self.stop else ""
        return f"{self.store} {self.point}{how} seed={self.seed}{f' bug={self.bug}' if self.bug else ''}"


@dataclass
class Round:
    plan: Plan
    nursery: Nursery
    folder: Path
    gemini: FakeGemini
    seen: Evidence = field(default_factory=Evidence)
    ids: dict[str, str] = field(default_factory=dict)
    """generation -> its owner."""

    def __post_init__(self) -> None:
        self.random = random.Random(self.plan.seed)
        self.jobs = [f"job-{self.random.getrandbits(48):012x}" for _ in range(3)]
        self.prefix = f"r{self.random.getrandbits(64):x}-{os.getpid()}"

    def settings(self, **more: str) -> dict[str, str]:
        stores = {
            "sqlite": f"sqlite:///{self.folder}/state.db",
            "firestore": f"firestore://{PROJECT}?prefix={self.prefix}",
            "memory": "memory://",
        }
        return {
            "DATA_DIR": str(self.folder),
            "STATE_STORE": stores[self.plan.store],
            "FIRESTORE_EMULATOR_HOST": os.environ.get("FIRESTORE_EMULATOR_HOST", ""),
            "OBJECT_STORAGE": f"file://{self.folder}/pictures",
            "IMAGE_MODELS": "gemini://,compositor://",
            "GEMINI_API_KEY": self.gemini.key,
            "GOOGLE_GEMINI_BASE_URL": self.gemini.url,
            # Who lives should not lose its lease by being slow; who was killed is known to be dead at once.
            "LEASE_SECONDS": str(LEASE if self.plan.stop else 2 * LEASE),
            "DRAIN_TIMEOUT": "0.3",
            "CPU_WORKERS": "1",
            **more,
        }

    @property
    def locked(self) -> bool:
        """True when a process stands still in the middle of a SQLite transaction: nobody can write then."""
        if self.plan.store != "sqlite":
            return False
        connection = sqlite3.connect(self.folder / "state.db", timeout=0, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        except sqlite3.OperationalError:
            return True
        finally:
            connection.close()
        return False

    @asynccontextmanager
    async def process(self, **more: str) -> AsyncIterator[tuple[Child, Client]]:
        settings = self.settings(**more)
        async with (
            self.nursery.child(self.folder, settings, self.plan.bug) as child,
            client_of(child) as client,
        ):
            yield child, client

    # What clients do

    async def order(self, client: Client, user: str, job: str, key: str = "", product: str = CUP) -> None:
        try:
            answer = await client.generate(product, user_id=user, idempotency_key=key, style_preference=job)
        except grpc.aio.AioRpcError as exc:
            self.seen.told.append(Told("order", user, job, key, error=exc.code().name))
            return
        if answer.generation_id:
            self.ids[answer.generation_id] = user
        self.seen.told.append(
            Told("order", user, job, key, answer.generation_id, answer.status, answer.error_reason)
        )

    async def surely(self, client: Client, user: str, job: str, key: str) -> None:
        """As a client that comes back with the same key until it is answered."""
        async with asyncio.timeout(ENDS_WITHIN):
            while True:
                await self.order(client, user, job, key)
                if not self.seen.told[-1].error:
                    return
                await asyncio.sleep(0.1)

    def read(self, state: pb.GetStatusResponse, user: str, *, may_see: bool = True) -> None:
        self.seen.told.append(
            Told(
                *("read", user, "", "", state.generation_id, state.status, state.error_reason),
                *(state.revision, state.progress, state.image_url),
                may_see=may_see,
            )
        )

    async def first_orders(self, client: Client) -> None:
        ann, bob = self.jobs[:2]
        if self.plan.stop:
            # By itself: a process that stands still while it writes something else keeps SQLite's lock.
            await self.order(client, "bob", bob, "k2")
            await asyncio.sleep(LEASE / 2)
        await asyncio.gather(
            self.order(client, "ann", ann, "k1"),
            self.order(client, "bob", bob, "k2"),
            self.order(client, "ann", ann, "k1"),
            self.order(client, "carol", ann),
            self.order(client, "ann", self.jobs[2], "k3", "NO-SUCH-PRODUCT"),
        )

    async def insist(self, client: Client, child: Child) -> None:
        """Order until both keys are taken, or the process died of it: a cold store may cost it its lease."""
        async with asyncio.timeout(ENDS_WITHIN):
            await self.first_orders(client)
            while not {"k1", "k2"} <= self.taken and not child.ended.done():
                await asyncio.sleep(0.1)
                await self.order(client, "ann", self.jobs[0], "k1")
                await self.order(client, "bob", self.jobs[1], "k2")

    @property
    def taken(self) -> set[str]:
        """The keys of orders that were taken."""
        return {told.key for told in self.seen.told if told.generation_id}

    async def later_orders(self, client: Client) -> None:
        """The same again, and with the key of the refused request one that can be done."""
        await asyncio.gather(
            self.surely(client, "ann", self.jobs[0], "k1"),
            self.surely(client, "bob", self.jobs[1], "k2"),
            self.surely(client, "ann", self.jobs[2], "k3"),
        )

    async def look(self, *clients: Client) -> None:
        """Read everything to its end at the first, then once more at each; and try to read another's."""
        for generation_id, user in list(self.ids.items()):
            await self._to_the_end(clients[0], generation_id, user)
        for client in clients:
            for generation_id, user in list(self.ids.items()):
                self.read(await client.status(generation_id, user), user)
                self.read(await client.status(generation_id, "mallory"), "mallory", may_see=False)

    async def _to_the_end(self, client: Client, generation_id: str, user: str) -> None:
        try:
            async with asyncio.timeout(ENDS_WITHIN / 3):
                while True:
                    state = await client.status(generation_id, user)
                    self.read(state, user)
                    if state.status in {*TERMINAL, "not_found"}:
                        return
                    await asyncio.sleep(0.05)
        except TimeoutError:
            return  # the checker finds it unfinished

    # What is left

    async def gather(self) -> Evidence:
        self.seen.billed = bill(self.folder / "bill")
        self.seen.objects = objects(self.folder / "pictures")
        self.seen.documents = await self.stored()
        return self.seen

    async def stored(self) -> dict[str, dict[str, dict[str, object]]]:
        if self.plan.store == "memory":
            return {}
        where = PROJECT if self.plan.store == "firestore" else f"{self.folder}/state.db"
        return await documents(where, self.prefix)

    async def quiet(self) -> None:
        """Until nothing is in the making, or long enough for the checker to say so."""
        end = asyncio.get_running_loop().time() + ENDS_WITHIN / 3
        while asyncio.get_running_loop().time() < end:
            bodies = (await self.stored()).get("generation", {}).values()
            if all(body["status"] in TERMINAL for body in bodies):
                return
            await asyncio.sleep(0.05)


async def play(plan: Plan, nursery: Nursery, folder: Path) -> Evidence:
    """Raises AssertionError or TimeoutError when the point is not reached, or a process does not come up."""
    folder.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240
    async with AsyncExitStack() as stack:
        gemini = FakeGemini(ledger=folder / "bill", delay=5 * LEASE if plan.point == CALM else 0)
        this = Round(plan, nursery, folder, await stack.enter_async_context(gemini))
        if plan.point == CALM:
            await calm(this)
        elif plan.stop:
            await standstill(this)
        elif plan.point == "removing":
            await removal(this)
        else:
            await death(this)
        return await this.gather()


async def death(this: Round) -> None:
    """It dies at the point; another comes up, and all ends well."""
    point = this.plan.point
    if point == "swept":
        await leave_work_behind(this)
    passes = this.random.choice((1, 2)) if point in IN_ORDER or point == "swept" else 1
    async with this.nursery.child(
        this.folder, this.settings(IMAGEGEN_CRASH_AT=f"{point}:{passes}"), this.plan.bug
    ) as doomed:
        if point != "swept":
            async with client_of(doomed) as client:
                await provoke(this, doomed, client)
        assert await doomed.dead() == -signal.SIGKILL, doomed.log.read_text()[-2000:]
    this.gemini.mode = "ok"
    this.gemini.release.set()
    async with this.process() as (_, client):
        await this.later_orders(client)
        await this.look(client)
        await this.quiet()


async def provoke(this: Round, doomed: Child, client: Client) -> None:
    if this.plan.point in {"draining", "handed-back"}:
        this.gemini.mode = "hang"
        await this.insist(client, doomed)
        await asyncio.wait_for(this.gemini.arrived(1), ENDS_WITHIN)
        doomed.send(signal.SIGTERM)
    else:
        await this.insist(client, doomed)
    await doomed.dead()


async def leave_work_behind(this: Round) -> None:
    this.gemini.mode = "hang"
    async with this.process() as (child, client):
        await this.insist(client, child)
        await asyncio.wait_for(this.gemini.arrived(2), ENDS_WITHIN)
        await child.end()


async def standstill(this: Round) -> None:
    """It stands still at the point for longer than its lease, and goes on when others have taken over."""
    point = this.plan.point
    async with this.process(IMAGEGEN_CRASH_AT=f"{point}:1:stop") as (zombie, of_zombie):
        orders = asyncio.create_task(this.insist(of_zombie, zombie))
        await zombie.stopped()
        if this.plan.store == "memory" or this.locked:
            await asyncio.sleep(1.5 * LEASE)
            await awake(this, zombie, orders)
            await this.later_orders(of_zombie)
            await this.look(of_zombie)
            return
        async with this.process() as (_, client):
            await this.later_orders(client)
            await this.look(client)
            await awake(this, zombie, orders)
            await this.quiet()
            await this.look(client, of_zombie)


async def awake(this: Round, zombie: Child, orders: asyncio.Task[None]) -> None:
    zombie.send(signal.SIGCONT)
    async with asyncio.timeout(ENDS_WITHIN):
        await orders
    await asyncio.sleep(1.2 * LEASE)


async def removal(this: Round) -> None:
    """It dies between marking an expired picture and deleting it."""
    this.seen.keeps = False
    short = {"PICTURE_DAYS": str(3 / 86400)}
    async with this.process(IMAGEGEN_CRASH_AT="removing:1", **short) as (doomed, client):
        await this.order(client, "ann", this.jobs[0], "k1")
        assert await doomed.dead() == -signal.SIGKILL
    async with this.process(**short):
        end = asyncio.get_running_loop().time() + ENDS_WITHIN / 4
        while objects(this.folder / "pictures") and asyncio.get_running_loop().time() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def calm(this: Round) -> None:
    """Two replicas and a model that needs longer than a lease: nothing is taken from anybody."""
    this.seen.calm = True
    async with this.process() as (_, one), this.process() as (_, two):
        await asyncio.gather(
            this.order(one, "ann", this.jobs[0], "k1"), this.order(two, "bob", this.jobs[1], "k2")
        )
        await this.look(one, two)
