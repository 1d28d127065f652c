"""What happens in a round: a death or a standstill at a named point, a new process, and what comes of it."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack
from pathlib import Path

from checker import Evidence
from children import Child, Nursery, client_of
from fakes.gemini import FakeGemini
from fakes.service import Client
from google.cloud.firestore_v1 import AsyncClient
from kept import objects
from rounds import CALM, ENDS_WITHIN, IN_ORDER, LEASE, PROJECT, Plan, Round


async def play(plan: Plan, nursery: Nursery, folder: Path) -> Evidence:
    """Raises AssertionError or TimeoutError when the point is not reached, or a process does not come up."""
    folder.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240
    async with AsyncExitStack() as stack:
        gemini = FakeGemini(ledger=folder / "bill", delay=5 * LEASE if plan.point == CALM else 0)
        this = Round(plan, nursery, folder, await stack.enter_async_context(gemini))
        if plan.store == "firestore":
            this.firestore = AsyncClient(PROJECT)
            stack.push_async_callback(this.firestore._firestore_api.transport.close)
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
        await this.until_dead(client, doomed)
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
        # On a busy machine the order may expire before it is drawn.
        await this.until_dead(client, doomed)
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
