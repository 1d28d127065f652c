"""The checker is worth something: each of these faults, put into the real code, is caught in a round."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from bugs import BUGS
from checker import violations
from children import Nursery
from rounds import CALM, Plan
from scenes import play

TRIES = 3
CAUGHT_BY = {
    "record_after_the_reply": (Plan("before-accept", "sqlite", 11), "accepted_ends"),
    "intent_after_the_call": (Plan("calling", "sqlite", 12), "paid_once"),
    "no_fencing": (Plan("before-terminal", "sqlite", 13, stop=True), "late_writes"),
    "terminal_twice": (Plan("accepted", "sqlite", 14), "accepted_ends"),
    "no_heartbeat": (Plan(CALM, "sqlite", 15), "calm"),
    "record_before_the_bytes": (Plan("terminal", "sqlite", 16), "bytes_exist"),
    "key_of_a_refused_request": (Plan("accepted", "sqlite", 17), "keys"),
    "sweep_takes_what_lives": (Plan(CALM, "sqlite", 18), "calm"),
    "key_forgotten": (Plan("before-reply", "sqlite", 19), "keys"),
    "paid_again": (Plan("calling", "sqlite", 20), "paid_once"),
    "shown_to_everybody": (Plan("claimed", "sqlite", 21), "private"),
    "bytes_forgotten": (Plan("removing", "sqlite", 22), "named"),
    "left_lying": (Plan("intent", "sqlite", 23), "accepted_ends"),
}
"""The round in which each fault shows, and the check that sees it."""


async def faults(plan: Plan, nursery: Nursery, folder: Path) -> list[str]:
    return violations(await play(plan, nursery, folder / f"{plan.seed}{plan.bug}"))


async def missed(name: str, nursery: Nursery, folder: Path) -> str:
    plan, check = CAUGHT_BY[name]
    # A process may happen to stand still with SQLite's lock in its hand; then nobody can take over from it.
    for again in range(TRIES):
        found = await faults(replace(plan, bug=name, seed=plan.seed + 100 * again), nursery, folder)
        if any(fault.startswith(check) for fault in found):
            break
    else:
        return f"{name} was not seen by {check}: {found}"
    if right := await faults(plan, nursery, folder):
        return f"{plan} is wrong without a fault: {right}"
    return ""


def test_every_fault_has_its_round() -> None:
    assert set(CAUGHT_BY) == set(BUGS)


@pytest.mark.timeout(240)
async def test_every_seeded_fault_is_caught_and_the_code_without_it_passes(tmp_path: Path) -> None:
    lanes = asyncio.Semaphore(4)

    async def judge(name: str) -> str:
        async with lanes:
            return await missed(name, nursery, tmp_path)

    async with Nursery.open() as nursery:
        found = await asyncio.gather(*map(judge, CAUGHT_BY))
    assert not [words for words in found if words]
