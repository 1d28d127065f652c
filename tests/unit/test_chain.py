from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

import pytest
from fakes.records import BRIEF, generation, records

from imagegenservice.chain import Chain, EngineCommission
from imagegenservice.errors import EngineAway
from imagegenservice.ledger import Ledger
from imagegenservice.model import Drawing, Picture, SourceType
from imagegenservice.ports import Commission, ImageModel, Surroundings
from imagegenservice.telemetry import Metrics
from imagegenservice.urls import AdapterUrl

PICTURE = Drawing(Picture(b"jpeg", "image/jpeg", 1, 1), SourceType.TRAINED)


class OnePlace(ImageModel):
    """An engine that draws one picture at a time, and only when it is told to."""

    name = "one-place"
    paid = False
    concurrency = 1

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def open(cls, url: AdapterUrl, surroundings: Surroundings) -> AsyncIterator[Self]:
        yield cls()

    async def draw(self, commission: Commission) -> Drawing:
        self.begun.set()
        await self.go_on.wait()
        return PICTURE


async def commission(name: str) -> EngineCommission:
    claim = await records().add(generation(name), "h-1")
    return EngineCommission(BRIEF, [], None, Ledger(claim, 0, Metrics()), lambda _: None)


async def test_waiting_in_vain_for_a_place_says_nothing_of_the_engines_health() -> None:
    engine = OnePlace()
    chain = Chain([engine], Metrics())
    breaker = chain.breakers[engine.name]
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        first = tasks.create_task(chain.draw(await commission("g1"), 60))
        await engine.begun.wait()
        for number in range(6):
            with pytest.raises(EngineAway) as caught:
                await chain.draw(await commission(f"w{number}"), 0.02)
            assert caught.value.reason == "ENGINE_BUSY"
        assert not breaker.tripped
        engine.go_on.set()
        assert (await first).drawing is PICTURE
    assert (await chain.draw(await commission("g2"), 60)).engine == engine.name


async def test_an_engine_that_is_too_slow_again_and_again_is_left_alone() -> None:
    engine = OnePlace()
    chain = Chain([engine], Metrics())
    for number in range(5):
        with pytest.raises(EngineAway) as caught:
            await chain.draw(await commission(f"s{number}"), 0.02)
        assert caught.value.reason == "ENGINE_TIMED_OUT"
    assert chain.breakers[engine.name].open
    engine.go_on.set()
    with pytest.raises(EngineAway, match="left alone"):
        await chain.draw(await commission("late"), 60)
