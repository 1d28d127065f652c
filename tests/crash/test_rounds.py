"""A process dies, or stands still, at each named point, on each store: nothing is lost or paid twice."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest
from rounds import CALM, ZOMBIES, Plan
from run import KILLED, run_all

from imagegenservice.failpoints import POINTS

AT_ONCE = 6


def told(wrong: dict[Plan, list[str]]) -> str:
    return "\n".join(f"{plan}: {'; '.join(faults)}" for plan, faults in wrong.items())


async def play_all(kinds: list[tuple[str, str, bool]], seed: int, folder: Path) -> None:
    seeds = count(seed)
    plans = [Plan(point, store, next(seeds), stop) for point, store, stop in kinds]
    wrong = await run_all(plans, AT_ONCE, folder)
    assert not wrong, told(wrong)


def test_every_point_is_played() -> None:
    assert set(KILLED) == set(POINTS)


@pytest.mark.timeout(300)
async def test_a_death_at_each_point_loses_nothing_on_sqlite(tmp_path: Path) -> None:
    await play_all([(point, "sqlite", False) for point in KILLED * 2], 1000, tmp_path)


@pytest.mark.timeout(300)
async def test_a_death_at_each_point_loses_nothing_on_firestore(
    tmp_path: Path, firestore_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_server)
    await play_all([(point, "firestore", False) for point in KILLED * 2], 2000, tmp_path)


@pytest.mark.timeout(300)
async def test_one_that_stands_still_past_its_lease_writes_nothing_late(tmp_path: Path) -> None:
    kinds = [(point, "sqlite", True) for point in ZOMBIES]
    kinds += [(point, "memory", True) for point in ("accepted", "intent", "uploaded")]
    await play_all(kinds, 3000, tmp_path)


@pytest.mark.timeout(300)
async def test_one_that_stands_still_past_its_lease_writes_nothing_late_on_firestore(
    tmp_path: Path, firestore_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_server)
    points = ("before-accept", "intent", "uploaded", "before-terminal")
    await play_all([(point, "firestore", True) for point in points], 4000, tmp_path)


async def test_while_nobody_dies_nothing_is_taken_from_anybody(tmp_path: Path) -> None:
    await play_all([(CALM, "sqlite", False)] * 2, 5000, tmp_path)
