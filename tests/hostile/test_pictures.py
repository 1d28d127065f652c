"""Hostile pictures against a real server: each verdict is right, and nobody else notices."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import numpy as np
import pytest
from fakes.process import Replica
from fakes.service import details
from pictures import CORNERS, MARK, OK, Case, all_pictures
from PIL import Image
from processes import family, memory

from imagegenservice.demo.products import PRODUCTS
from imagegenservice.imaging.headers import Limits, Undecodable, inspect
from imagegenservice.pb import imagegen_pb2 as pb

POD = 768 * 1024 * 1024
AT_ONCE = 4


@pytest.fixture(scope="module")
def pictures() -> list[Case]:
    cases = all_pictures()
    assert len(cases) >= 200
    assert len({case.name for case in cases}) == len(cases)
    return cases


@dataclass
class Watch:
    """What others saw meanwhile."""

    health: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    peak: int = 0


@asynccontextmanager
async def watched(service: Replica) -> AsyncIterator[Watch]:
    """Another shopper asks for a status, Kubernetes for health, and somebody for the memory."""
    watch = Watch()
    generation_id = (await service.generate(PRODUCTS[0].id, user_id="bystander")).generation_id
    await service.ended(generation_id)

    async def ask() -> None:
        begin = time.perf_counter()
        assert (await service.status(generation_id, "bystander")).status == "completed"
        watch.seconds.append(time.perf_counter() - begin)

    async def look() -> None:
        watch.health.append(await service.health())

    async def weigh() -> None:
        pids = family(service.process.process.pid)
        watch.peak = max(watch.peak, await asyncio.to_thread(memory, pids))

    async def forever(what: Callable[[], Coroutine[None, None, None]], pause: float) -> None:
        while True:
            await what()
            await asyncio.sleep(pause)

    tasks = [asyncio.create_task(forever(*each)) for each in ((ask, 0.01), (look, 0.05), (weigh, 0.02))]
    try:
        yield watch
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ends), ends


def contents(folder: Path) -> dict[str, bytes]:
    """Every picture that is stored."""
    return {path.name: path.read_bytes() for path in folder.rglob("*.jpg")}


async def taken(service: Replica, data: bytes) -> pb.UploadBackgroundResponse:
    """The answer. Where the machine is too busy for so many at once, we come back when we are told to."""
    for _ in range(10):
        try:
            return await service.upload(data, "attacker")
        except grpc.aio.AioRpcError as exc:
            reason, delay = details(exc)
            if reason != "OVERLOADED":
                raise
            await asyncio.sleep(delay or 1.0)
    raise AssertionError("it was refused ten times")


async def verdict(service: Replica, case: Case, places: asyncio.Semaphore) -> str:
    async with places:
        answer = await taken(service, case.data)
    assert answer.status == ("failed" if answer.error_reason else "success")
    return answer.error_reason or OK


async def test_every_verdict_is_right_and_nobody_else_notices(
    attacked: Replica, pictures: list[Case], tmp_path: Path
) -> None:
    places = asyncio.Semaphore(AT_ONCE)
    async with watched(attacked) as watch:
        verdicts = await asyncio.gather(*(verdict(attacked, case, places) for case in pictures))
    wrong = {
        case.name: said for case, said in zip(pictures, verdicts, strict=True) if said not in case.verdicts
    }
    assert wrong == {}
    assert set(watch.health) == {"SERVING"}
    assert watch.peak < POD
    calm = sorted(watch.seconds)
    assert len(calm) > 20
    assert calm[int(0.99 * len(calm))] < 1.0
    stored = contents(tmp_path)
    assert stored
    assert [name for name, data in stored.items() if MARK in data] == []
    assert attacked.process.process.returncode is None


async def test_what_is_stored_is_upright_and_nothing_but_a_picture(
    attacked: Replica, pictures: list[Case], tmp_path: Path
) -> None:
    for number, case in enumerate(one for one in pictures if one.upright):
        answer = await attacked.upload(case.data, f"shopper-{number}")
        data = contents(tmp_path)[answer.image_url.rpartition("/")[2]]
        image = Image.open(io.BytesIO(data))
        pixels = np.asarray(image.convert("RGB")).astype(int)
        assert pixels.shape == (40, 60, 3), case.name
        seen = (pixels[8, 8], pixels[8, 50], pixels[32, 8], pixels[32, 50])
        worst = max(np.abs(one - two).max() for one, two in zip(seen, CORNERS, strict=True))
        assert worst <= 40, case.name
        assert not {"exif", "icc_profile", "xmp", "comment"} & image.info.keys(), case.name
        assert data.endswith(b"\xff\xd9"), case.name


def test_a_header_is_read_in_milliseconds(pictures: list[Case]) -> None:
    limits = Limits(25_000_000, 16_384, 10 * 1024 * 1024)
    slowest = 0.0
    for case in pictures:
        begin = time.process_time()
        with suppress(Undecodable):
            inspect(case.data, limits)
        slowest = max(slowest, time.process_time() - begin)
    assert slowest < 0.05
