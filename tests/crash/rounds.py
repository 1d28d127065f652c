"""One round: its processes, what clients order and read there, and what is left in the end."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import grpc
from checker import TERMINAL, Evidence, Told
from children import Child, Nursery, client_of
from fakes.gemini import FakeGemini
from fakes.service import CUP, Client
from google.cloud.firestore_v1 import AsyncClient
from kept import Documents, bill, in_emulator, in_file, objects

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
KINDS: Final = ("generation", "asset", "fingerprint", "idempotency")


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
    firestore: AsyncClient | None = None
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
    def patience(self) -> float:
        """Seconds for which an end is waited for. Of a seeded fault none may ever come."""
        return ENDS_WITHIN / (6 if self.plan.bug else 3)

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
                *(state.revision, state.progress, state.image_url, state.completed_at.ToJsonString()),
                may_see=may_see,
            )
        )

    async def first_orders(self, client: Client, child: Child) -> None:
        ann, bob = self.jobs[:2]
        if self.plan.stop:
            # By itself: a process that stands still while it writes something else keeps SQLite's lock.
            await self.order(client, "bob", bob, "k2")
            await self._ended_or_stopped(client, child)
        await asyncio.gather(
            self.order(client, "ann", ann, "k1"),
            self.order(client, "bob", bob, "k2"),
            self.order(client, "ann", ann, "k1"),
            self.order(client, "carol", ann),
            self.order(client, "ann", self.jobs[2], "k3", "NO-SUCH-PRODUCT"),
        )

    async def _ended_or_stopped(self, client: Client, child: Child) -> None:
        waiting = [asyncio.create_task(child.stopped())]
        waiting += [asyncio.create_task(client.ended(name)) for name in self.ids]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    async def insist(self, client: Client, child: Child) -> None:
        """Order until both keys are taken, or the process died of it: a cold store may cost it its lease."""
        async with asyncio.timeout(ENDS_WITHIN):
            await self.first_orders(client, child)
            while not {"k1", "k2"} <= self.taken and not child.ended.done():
                await asyncio.sleep(0.1)
                await self.order(client, "ann", self.jobs[0], "k1")
                await self.order(client, "bob", self.jobs[1], "k2")

    @property
    def taken(self) -> set[str]:
        """The keys of orders that were taken."""
        return {told.key for told in self.seen.told if told.generation_id}

    async def until_dead(self, client: Client, child: Child) -> None:
        """
        More orders, one after the other, until it dies of one.

        What a busy machine did too late went another way than through the point: by the fallback, say.
        """
        async with asyncio.timeout(ENDS_WITHIN):
            while not child.ended.done():
                await asyncio.wait({child.ended}, timeout=2 * LEASE)
                if not child.ended.done():
                    await self.order(client, "ann", f"job-{self.random.getrandbits(48):012x}")

    async def later_orders(self, client: Client) -> None:
        """The same again, and with the key of the refused request one that can be done."""
        await asyncio.gather(
            self.surely(client, "ann", self.jobs[0], "k1"),
            self.surely(client, "bob", self.jobs[1], "k2"),
            self.surely(client, "ann", self.jobs[2], "k3"),
        )

    async def look(self, *clients: Client) -> None:
        """Read everything to its end at the first, then once more at each; and try to read another's."""
        await asyncio.gather(*(self._to_the_end(clients[0], *mine) for mine in self.ids.items()))
        for client in clients:
            for generation_id, user in list(self.ids.items()):
                self.read(await client.status(generation_id, user), user)
                self.read(await client.status(generation_id, "mallory"), "mallory", may_see=False)

    async def _to_the_end(self, client: Client, generation_id: str, user: str) -> None:
        try:
            async with asyncio.timeout(self.patience):
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

    async def stored(self, kinds: Sequence[str] = KINDS) -> Documents:
        if self.plan.store == "sqlite":
            return in_file(self.folder / "state.db")
        return await in_emulator(self.firestore, self.prefix, kinds) if self.firestore else {}

    async def quiet(self) -> None:
        """Until nothing is in the making, or long enough for the checker to say so."""
        end = asyncio.get_running_loop().time() + self.patience
        while asyncio.get_running_loop().time() < end:
            bodies = (await self.stored(KINDS[:1])).get("generation", {}).values()
            if all(body["status"] in TERMINAL for body in bodies):
                return
            await asyncio.sleep(0.05)
