from __future__ import annotations

import asyncio

import pytest

from imagegenservice.budget import Budget
from imagegenservice.errors import Overloaded


async def hold(budget: Budget, amount: int, until: asyncio.Event, order: list[int]) -> None:
    async with budget.share(amount):
        order.append(amount)
        await until.wait()


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_no_more_is_held_than_there_is_and_large_jobs_get_their_turn() -> None:
    budget, done, order = Budget(10, 9), asyncio.Event(), []
    first = asyncio.create_task(hold(budget, 6, done, order))
    await settled()
    late = [asyncio.create_task(hold(budget, amount, done, order)) for amount in (9, 1, 2)]
    await settled()
    assert order == [6], "what would fit does not pass by what waits"
    done.set()
    await asyncio.gather(first, *late)
    assert order == [6, 9, 1, 2]


async def test_more_than_there_is_counts_as_all_of_it() -> None:
    async with Budget(10, 0).share(1000, patience=1):
        pass


async def test_who_waits_too_long_or_behind_too_many_is_refused() -> None:
    budget = Budget(1, 1)
    async with budget.share(1):
        waiting = asyncio.create_task(budget.share(1, patience=0.05).__aenter__())
        await settled()
        with pytest.raises(Overloaded):
            await budget.share(1, patience=9).__aenter__()
        with pytest.raises(Overloaded):
            await waiting
    async with budget.share(1, patience=0.01):
        pass


async def test_a_cancelled_wait_gives_everything_back() -> None:
    budget, done, order = Budget(4, 9), asyncio.Event(), []
    first = asyncio.create_task(hold(budget, 4, done, order))
    await settled()
    waiting = [asyncio.create_task(hold(budget, 3, done, order)) for _ in range(3)]
    await settled()
    waiting[0].cancel()
    done.set()
    waiting[1].cancel()
    await asyncio.gather(first, *waiting, return_exceptions=True)
    async with budget.share(4, patience=0.01):
        assert order == [4, 3]
