from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from imagegenservice.turns import FairTurns


class Crowd:
    """Callers who hold their turn until they are told to leave; `order` says who got one, when."""

    def __init__(self, places: int) -> None:
        self.turns = FairTurns(places)
        self.order: list[str] = []
        self._leave: list[asyncio.Event] = []

    async def come(self, owner: str) -> asyncio.Task[None]:
        leave = asyncio.Event()

        async def hold() -> None:
            async with self.turns.turn(owner):
                self.order.append(owner)
                self._leave.append(leave)
                await leave.wait()

        task = asyncio.create_task(hold())
        await settled()
        return task

    async def one_leaves(self) -> None:
        self._leave.pop(0).set()
        await settled()


async def settled() -> None:
    """Let everything that can run, run."""
    for _ in range(5):
        await asyncio.sleep(0)


async def run_dry(crowd: Crowd, until: Callable[[], bool]) -> None:
    while not until():
        await crowd.one_leaves()


async def test_free_places_are_given_at_once_and_no_more_than_there_are() -> None:
    crowd = Crowd(2)
    tasks = [await crowd.come("a") for _ in range(3)]
    assert crowd.order == ["a", "a"]
    assert crowd.turns.waiting == 1
    await run_dry(crowd, lambda: len(crowd.order) == 3)
    assert crowd.turns.waiting == 0
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_owners_take_turns_however_much_one_of_them_orders() -> None:
    crowd = Crowd(1)
    tasks = [await crowd.come(owner) for owner in "xaaaabbc"]
    await run_dry(crowd, lambda: len(crowd.order) == 8)
    assert "".join(crowd.order) == "xabcabaa"
    await crowd.one_leaves()
    await asyncio.gather(*tasks)


async def test_a_cancelled_waiter_leaves_no_hole() -> None:
    crowd = Crowd(1)
    holder = await crowd.come("a")
    gone, stays = await crowd.come("b"), await crowd.come("b")
    gone.cancel()
    with suppress(asyncio.CancelledError):
        await gone
    assert crowd.turns.waiting == 1
    await crowd.one_leaves()
    assert crowd.order == ["a", "b"]
    await crowd.one_leaves()
    await asyncio.gather(holder, stays)
    again = await crowd.come("c")
    assert crowd.order[-1] == "c"
    await crowd.one_leaves()
    await again


async def test_a_turn_that_came_at_the_moment_of_the_cancellation_goes_to_the_next() -> None:
    crowd = Crowd(1)
    async with crowd.turns.turn("a"):
        unlucky, lucky = await crowd.come("b"), await crowd.come("c")
    # Its turn has come by now, and it has not run yet.
    unlucky.cancel()
    await settled()
    assert crowd.order == ["c"]
    await crowd.one_leaves()
    await lucky


@given(
    places=st.integers(1, 3),
    steps=st.lists(st.tuples(st.sampled_from(["come", "leave", "cancel"]), st.sampled_from("abc"))),
)
def test_no_history_loses_a_place_or_gives_one_twice(places: int, steps: list[tuple[str, str]]) -> None:
    asyncio.run(_replay(places, steps))


async def _replay(places: int, steps: list[tuple[str, str]]) -> None:
    crowd = Crowd(places)
    tasks: list[asyncio.Task[None]] = []
    for what, owner in steps:
        if what == "come":
            tasks.append(await crowd.come(owner))
        elif what == "leave" and crowd._leave:
            await crowd.one_leaves()
        elif what == "cancel" and tasks:
            tasks[len(crowd.order) % len(tasks)].cancel()
            await settled()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert crowd.turns.waiting == 0
    fresh = Crowd(places)
    fresh.turns = crowd.turns
    late = [await fresh.come("z") for _ in range(places + 1)]
    assert len(fresh.order) == places
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
