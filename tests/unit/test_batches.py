from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from imagegenservice.adapters.state_store.batches import Batches


def halves(numbers: Sequence[int]) -> list[float]:
    return [1 / number for number in numbers]


async def test_a_mistake_in_the_work_reaches_its_callers_and_the_thread_goes_on() -> None:
    batches: Batches[int] = Batches("test", halves)
    async with asyncio.timeout(10):
        with pytest.raises(ZeroDivisionError):
            await batches.ask(0)
        assert await batches.ask(2) == 0.5
    await asyncio.to_thread(batches.close)
