"""Rows 4 and 8: whole generations, from the order to the stored picture, with a Gemini that costs nothing."""

from __future__ import annotations

import asyncio
import base64
import io
import itertools
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass

import httpx2
from fakes.process import Replica
from fakes.service import CARAFE, CUP, VASE
from PIL import Image

from .pictures import SIDE, Encoded, jpegs, pngs
from .processes import Spent, spent
from .started import Engine, engine, pid_of, served, wordy_shop
from .table import Line, median, spread

CALLERS, CONCURRENCY = 32, 16
WARM, SECONDS, ROUNDS = 2.0, 3.0, 5
RATE = 230
"""A second, on one core: twice the calls that a well-known LLM proxy in Python passes on, 115/s at 8.7 ms
CPU each, without storing anything. Google's bare SDK takes 1.24 ms for a call."""
CPU_MS = 30
"""Of the service and its children: decoding and encoding a picture of 1024 x 1024 is about 20."""


@dataclass(frozen=True)
class Round:
    """What was done in one span of time."""

    count: int
    seconds: float
    cpu: Spent

    @property
    def rate(self) -> float:
        """Generations a second."""
        return self.count / self.seconds

    @property
    def each(self) -> Spent:
        """CPU of one generation."""
        return self.cpu.each(self.count)


async def text_only() -> AsyncIterator[Line]:
    """Products without pictures, answers of 100 kB, files and SQLite; the service has one core."""
    async with wordy_shop() as shop, engine("--form", "jpeg", "--bytes", "100000") as model:
        settings = {**shop, **model.settings(CONCURRENCY)}
        async with served(settings, one_core=True) as service:
            rounds = await generate(service, model, [CUP])
    rates = [one.rate for one in rounds]
    alone = [1 / one.each.total for one in rounds]
    busy = [one.cpu.total / one.seconds for one in rounds]
    yield Line(
        "generations",
        "generations a second, text only, 100 kB, one core",
        spread(rates, 0),
        f"≥ {RATE}",
        median(rates) >= RATE,
        f"{_cpu(rounds)}, {_pillow(jpegs(100_000))}; got {median(busy):.0%} of the core: all of it would do "
        f"{median(alone):.0f}/s",
    )


async def megabyte() -> AsyncIterator[Line]:
    """Answers of 1 MB, a PNG of 1024 x 1024: first without, then with pictures of three products."""
    async with engine("--form", "png", "--bytes", "1000000") as model:
        async with wordy_shop() as shop, served({**shop, **model.settings()}) as service:
            rounds = await generate(service, model, [CUP], rounds=3)
        costs = [1000 * one.each.total for one in rounds]
        yield Line(
            "cpu",
            "CPU of a generation, 1 MB from Gemini, text only",
            spread(costs, 1, " ms"),
            f"≤ {CPU_MS} ms",
            median(costs) <= CPU_MS,
            f"{_cpu(rounds)}, {_pillow(pngs(1_000_000))}",
        )
        async with served(model.settings()) as service:
            rounds = await generate(service, model, [CUP, VASE, CARAFE], rounds=3)
        costs = [1000 * one.each.total for one in rounds]
        yield Line(
            "cpu",
            "the same with the pictures of three products",
            spread(costs, 1, " ms"),
            "",
            None,
            _cpu(rounds),
        )


def _cpu(rounds: Sequence[Round]) -> str:
    parent, children = (
        1000 * median([getattr(one.each, name) for one in rounds]) for name in ("parent", "children")
    )
    return f"{parent:.1f} ms CPU each in the service and {children:.1f} in its children"


def _pillow(encoded: Encoded) -> str:
    """What of the children's share is decoding the model's picture and encoding it anew."""
    seconds = []
    for number in range(9):
        data = base64.b64decode(encoded(number))
        begin = time.thread_time()
        with Image.open(io.BytesIO(data)) as image:
            image.save(io.BytesIO(), "JPEG", quality=92, subsampling=0)
        seconds.append(time.thread_time() - begin)
    return f"where Pillow alone takes {1000 * median(seconds):.1f} ms"


async def generate(
    service: Replica, model: Engine, products: Sequence[str], *, rounds: int = ROUNDS
) -> list[Round]:
    """Order, wait, order again. Raises RuntimeError when a picture is not a new one of the model's."""
    seeds = itertools.count()
    await _round(service, products, seeds, WARM)
    before = await model.answered()
    seen = [await _round(service, products, seeds, SECONDS) for _ in range(rounds)]
    drawn = await model.answered() - before
    if drawn != sum(one.count for one in seen):
        raise RuntimeError(f"{drawn} pictures for {sum(one.count for one in seen)} generations")
    return seen


async def _round(service: Replica, products: Sequence[str], seeds: Iterator[int], seconds: float) -> Round:
    begin, before = time.perf_counter(), spent(pid_of(service))
    urls: set[str] = set()

    async def customer() -> None:
        while time.perf_counter() < begin + seconds:
            answer = await service.drawn(*products, seed=next(seeds))
            if not answer.engine.startswith("gemini") or answer.from_cache or answer.image_url in urls:
                raise RuntimeError(f"not a new picture of the model's: {answer}")
            urls.add(answer.image_url)

    await asyncio.gather(*(customer() for _ in range(CALLERS)))
    done = Round(len(urls), time.perf_counter() - begin, spent(pid_of(service)) - before)
    await _check(urls.pop())
    return done


async def _check(url: str) -> None:
    async with httpx2.AsyncClient() as client:
        data = (await client.get(url)).raise_for_status().content
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        if image.size != (SIDE, SIDE):
            raise RuntimeError(f"a picture of {image.size}")
