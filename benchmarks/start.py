"""Row 9: how soon a process serves, and what it holds when nobody asks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from .processes import memory, resident, spent
from .started import SETTLED, pid_of, served
from .table import Line, median, spread

STARTS = 5
SECONDS, IDLE_MB = 1.5, 150
"""So that a rollout and a restart go unnoticed; and a fifth of the pod that docs/memory.md describes."""


async def measure() -> AsyncIterator[Line]:
    """From the command to the first health check that says SERVING; then idle."""
    seconds, cpu, parents, all_of_them = [], [], [], []
    for _ in range(STARTS):
        begin = time.perf_counter()
        async with served({}) as service:
            if await service.health() != "SERVING":
                raise RuntimeError("it does not serve")
            seconds.append(time.perf_counter() - begin)
            cpu.append(spent(pid_of(service)).total)
            await asyncio.sleep(SETTLED)
            parents.append(resident(pid_of(service)))
            all_of_them.append(memory(pid_of(service)))
    yield Line(
        "start",
        "start to SERVING",
        spread(seconds, 2, " s"),
        f"≤ {SECONDS} s",
        median(seconds) <= SECONDS,
        f"{median(cpu):.2f} s of it CPU",
    )
    yield Line(
        "start",
        "resident memory of the idle service",
        spread(parents, 0, " MB"),
        f"≤ {IDLE_MB} MB",
        median(parents) <= IDLE_MB,
        f"{median(all_of_them):.0f} MB with its children, shared pages once",
    )
