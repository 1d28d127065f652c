"""make crash ROUNDS=n: so many rounds over every point and store, seeded, a few at a time."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from checker import violations
from children import Nursery
from emulators import NotHere, firestore_emulator
from rounds import CALM, IN_ORDER, ZOMBIES, Plan
from scenes import play

KILLED = (*IN_ORDER, "swept", "removing", "draining", "handed-back")


def plans(stores: Sequence[str], seed: int) -> Iterator[Plan]:
    """For ever: each point at each store, killed and stopped, with a seed of its own."""
    kinds = [(point, store, False) for point in (*KILLED, CALM) for store in stores]
    kinds += [(point, store, True) for point in ZOMBIES for store in (*stores, "memory")]
    kinds = [kind for kind in kinds if kind[1] != "memory" or kind[2]]
    for number in itertools.count():
        point, store, stop = kinds[number % len(kinds)]
        yield Plan(point, store, seed + number, stop)


async def judged(plan: Plan, nursery: Nursery, folder: Path) -> list[str]:
    """What is wrong with a round; its folder stays if anything is."""
    try:
        faults = violations(await play(plan, nursery, folder))
    except (AssertionError, TimeoutError) as exc:
        faults = [f"the round could not be played: {type(exc).__name__}: {str(exc)[-500:]}"]
    if not faults:
        shutil.rmtree(folder, ignore_errors=True)
    return faults


async def run_all(chosen: Sequence[Plan], at_once: int, folder: Path) -> dict[Plan, list[str]]:
    """The rounds that went wrong."""
    wrong: dict[Plan, list[str]] = {}
    left = iter(chosen)

    async def lane(nursery: Nursery) -> None:
        for plan in left:
            faults = await judged(plan, nursery, folder / f"{plan.seed}")
            if faults:
                wrong[plan] = faults
                print(f"{plan}\n  " + "\n  ".join(faults), flush=True)  # noqa: T201

    async with Nursery.open() as nursery, asyncio.TaskGroup() as lanes:
        for _ in range(at_once):
            lanes.create_task(lane(nursery))
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**9))
    parser.add_argument("--at-once", type=int, default=2 * (os.cpu_count() or 1))
    parser.add_argument("--stores", default="sqlite,firestore")
    chosen = parser.parse_args()
    stores, begin = chosen.stores.split(","), time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="crash-"))
    with ExitStack() as stack:
        if "firestore" in stores:
            try:
                address = stack.enter_context(firestore_emulator(folder / "firestore.log"))
                os.environ["FIRESTORE_EMULATOR_HOST"] = address
            except NotHere as exc:
                if os.environ.get("REQUIRE_EMULATORS") == "1":
                    raise
                print(exc)  # noqa: T201
                stores.remove("firestore")
        print(f"seed {chosen.seed}, {chosen.rounds} rounds on {', '.join(stores)}, in {folder}")  # noqa: T201
        rounds = list(itertools.islice(plans(stores, chosen.seed), chosen.rounds))
        wrong = asyncio.run(run_all(rounds, chosen.at_once, folder))
    took = time.monotonic() - begin
    print(f"{len(rounds)} rounds, {len(wrong)} of them wrong, {took:.0f} s, seed {chosen.seed}")  # noqa: T201
    with suppress(OSError):
        (folder / "firestore.log").unlink(missing_ok=True)
        folder.rmdir()
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
