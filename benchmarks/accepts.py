"""Rows 2 and 3: how fast orders become durable, and what it costs to hold many that are not finished."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack

from fakes.process import Replica
from fakes.service import CUP

from .processes import memory, watched
from .started import SETTLED, engine, pid_of, served, wordy_shop
from .table import Line, median, percentile, spread

CALLERS, ORDERS, ROUNDS = 32, 300, 5
ACCEPTS = 200
"""A second: one order for each write to a disk that syncs in 5 ms."""
HELD, HELD_MB, STATUS_MS = 500, 300, 50
"""QUEUE_SIZE's default; megabytes over idle; p99 of status calls meanwhile."""
DELAY = 10.0
"""Seconds that the model takes for a picture."""
LOOKING = 4.0
"""Seconds of status calls."""


async def accepted() -> AsyncIterator[Line]:
    """Orders are taken while the model is not done with the first of them; a kill must lose none."""
    rates: list[float] = []
    calls: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        async with engine("--hold") as model, wordy_shop() as shop:
            queue = {"QUEUE_SIZE": str((ROUNDS + 1) * ORDERS), "DATA_DIR": folder}
            settings = {**model.settings(), **shop, **queue}
            async with served(settings) as service:
                await place(service, range(ORDERS))
                for number in range(1, ROUNDS + 1):
                    begin = time.perf_counter()
                    taken = await place(service, range(number * ORDERS, (number + 1) * ORDERS))
                    rates.append(ORDERS / (time.perf_counter() - begin))
                    calls |= taken
                await service.process.kill()
            async with served(settings) as service:
                lost = [id_ for id_ in calls if (await service.status(id_)).status == "not_found"]
    p50, p99 = (1000 * percentile(list(calls.values()), share) for share in (0.5, 0.99))
    yield Line(
        "accepts",
        "orders a second accepted on SQLite",
        spread(rates, 0),
        f"≥ {ACCEPTS}",
        median(rates) >= ACCEPTS and not lost,
        f"{CALLERS} callers, p50 {p50:.0f} ms, p99 {p99:.0f} ms; {len(lost)} of {len(calls)} lost by SIGKILL",
    )


async def place(service: Replica, seeds: Sequence[int], callers: int = CALLERS) -> dict[str, float]:
    """Order one picture for each seed, and wait for none; gives the seconds of each call by its id."""
    rest = iter(seeds)
    taken: dict[str, float] = {}

    async def caller() -> None:
        for seed in rest:
            begin = time.perf_counter()
            answer = await service.generate(CUP, seed=seed)
            if answer.status != "processing":
                raise RuntimeError(f"not accepted: {answer}")
            taken[answer.generation_id] = time.perf_counter() - begin

    await asyncio.gather(*(caller() for _ in range(callers)))
    return taken


async def held() -> AsyncIterator[Line]:
    """A full queue before a slow model: its memory, and how soon others are answered."""
    async with engine("--delay", str(DELAY)) as model, wordy_shop() as shop, AsyncExitStack() as stack:
        settings = {"QUEUE_SIZE": str(HELD), **model.settings(), **shop}
        service = await stack.enter_async_context(served(settings))
        await asyncio.sleep(SETTLED)
        idle = memory(pid_of(service))
        async with watched(pid_of(service)) as peak:
            ids = list(await place(service, range(HELD)))
            seconds = await _look(service, ids)
            states = [await service.status(id_) for id_ in ids]
    unfinished = sum(state.status == "processing" for state in states)
    if unfinished < 0.9 * HELD:
        raise RuntimeError(f"only {unfinished} of {HELD} were unfinished at the end: {states[0]}")
    over, p99 = peak.megabytes - idle, 1000 * percentile(seconds, 0.99)
    how = f"{unfinished} of {HELD} unfinished at the end"
    yield Line(
        "held",
        f"memory over idle with {HELD} unfinished generations",
        f"{over:.0f} MB",
        f"< {HELD_MB} MB",
        over < HELD_MB,
        f"idle {idle:.0f} MB; {how}",
    )
    yield Line(
        "held",
        "p99 of status calls meanwhile",
        f"{p99:.1f} ms",
        f"< {STATUS_MS} ms",
        p99 < STATUS_MS,
        f"{len(seconds)} calls, one after the other; p50 {1000 * median(seconds):.1f} ms",
    )


async def _look(service: Replica, ids: Sequence[str]) -> list[float]:
    """Ask for one after the other; how long each took."""
    seconds: list[float] = []
    end = time.perf_counter() + LOOKING
    while (begin := time.perf_counter()) < end:
        await service.status(ids[len(seconds) % len(ids)])
        seconds.append(time.perf_counter() - begin)
    return seconds
