"""Many at once: nobody is lost, nobody waits for ever, and nobody pushes in."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path
from typing import Any

import grpc
import pytest
from fakes.gemini import FakeGemini
from fakes.service import CARAFE, CUP, VASE, Service, Start, details, order, photo

from imagegenservice.demo.shop import SHOPPER
from imagegenservice.pb import imagegen_pb2 as pb


async def test_two_hundred_calls_of_every_kind_at_once_are_all_answered(
    gemini: FakeGemini, start: Start, tmp_path: Path
) -> None:
    service = await start(
        image_models=("gemini://", "compositor://"),
        gemini_api_key=gemini.key,
        state_store=f"sqlite:///{tmp_path}/state.db",
        object_storage=f"file://{tmp_path}/pictures",
    )
    known = (await service.drawn(CUP)).generation_id
    data = photo()

    def call(number: int) -> Any:
        kinds = [
            lambda: service.generate(CUP, VASE, seed=number // 10 % 4, wait=25, user_id=f"shopper-{number}"),
            lambda: service.generate(user_id=SHOPPER, seed=number % 3, idempotency_key=f"k{number % 6}"),
            lambda: service.status(known),
            lambda: service.upload(data, user_id=f"shopper-{number % 5}"),
            lambda: service.watch(known),
            service.health,
            lambda: service.generate("NO-SUCH-1"),
            lambda: service.cancel(known),
            lambda: service.status("0" * 32),
            lambda: service.generate(CARAFE, seed=number, user_id=f"shopper-{number}"),
        ]
        return kinds[number % len(kinds)]()

    watchdog = Watchdog(service)
    answers = await asyncio.gather(*(call(number) for number in range(200)))
    slowest = await watchdog.stopped()
    statuses = Counter(getattr(answer, "status", type(answer).__name__) for answer in answers)
    assert statuses["failed"] == 20, "the unknown products"
    assert statuses["not_found"] == 20
    assert statuses["success"] == 20
    assert all(answer == "SERVING" for answer in answers if isinstance(answer, str))
    generations = [a for a in answers if isinstance(a, pb.GenerateCartImageResponse) and a.generation_id]
    assert len(generations) == 60
    ends = await asyncio.gather(*(service.ended(answer.generation_id) for answer in generations))
    assert {end.status for end in ends} == {"completed"}
    await service.idle()
    assert service.running.app.studio.room == service.settings.queue_size
    assert slowest < 2
    # 4 + 3 + 20 pictures, and the one from before; what was equal was drawn once.
    assert len(gemini.requests) == 28


class Watchdog:
    """Asks for the health again and again until it is stopped; `slowest` is in seconds."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._enough = asyncio.Event()
        self._task = asyncio.create_task(self._watch())

    async def _watch(self) -> float:
        slowest = 0.0
        while not self._enough.is_set():
            begin = time.monotonic()
            assert await self._service.health() == "SERVING"
            slowest = max(slowest, time.monotonic() - begin)
            await asyncio.sleep(0.05)
        return slowest

    async def stopped(self) -> float:
        self._enough.set()
        return await self._task


async def test_health_and_status_answer_while_pictures_are_made(service: Service) -> None:
    orders = [await service.generate(user_id=SHOPPER, seed=seed) for seed in range(4)]
    watchdog = Watchdog(service)
    await asyncio.gather(*(service.ended(answer.generation_id) for answer in orders))
    assert await watchdog.stopped() < 1


async def test_a_full_queue_refuses_at_once_and_takes_orders_again_when_there_is_room(
    gemini: FakeGemini, start: Start
) -> None:
    service = await start(image_models=("gemini://",), gemini_api_key=gemini.key, queue_size=5)
    gemini.mode = "hang"
    ends = await asyncio.gather(
        *(service.generate(CUP, seed=seed) for seed in range(30)), return_exceptions=True
    )
    refused = [end for end in ends if isinstance(end, grpc.aio.AioRpcError)]
    taken = [end for end in ends if isinstance(end, pb.GenerateCartImageResponse)]
    assert (len(taken), len(refused)) == (5, 25)
    for error in refused:
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert details(error) == ("OVERLOADED", 5.0)
    gemini.mode = "ok"
    gemini.release.set()
    for answer in taken:
        assert (await service.ended(answer.generation_id)).status == "completed"
    await service.idle()
    assert (await service.drawn(CUP, seed=100)).status == "completed"


async def test_one_shopper_cannot_fill_the_queue(gemini: FakeGemini, start: Start) -> None:
    service = await start(image_models=("gemini://",), gemini_api_key=gemini.key, owner_queue_size=3)
    gemini.mode = "hang"
    for seed in range(3):
        await service.generate(CUP, user_id="ann", seed=seed)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await service.generate(CUP, user_id="ann", seed=3)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert details(caught.value) == ("OVERLOADED", 5.0)
    assert (await service.generate(CUP, user_id="bob", seed=3)).status == "processing"
    gemini.release.set()


async def test_a_cached_picture_needs_no_place_in_the_queue(gemini: FakeGemini, start: Start) -> None:
    service = await start(image_models=("gemini://",), gemini_api_key=gemini.key, queue_size=1)
    await service.drawn(VASE)
    await service.idle()
    gemini.mode = "hang"
    held = await service.generate(CUP, idempotency_key="k")
    assert (await service.generate(VASE)).from_cache
    assert (await service.generate(CUP, idempotency_key="k")).generation_id == held.generation_id
    gemini.release.set()


async def test_whoever_orders_little_does_not_wait_behind_whoever_orders_much(
    gemini: FakeGemini, start: Start
) -> None:
    service = await start(image_models=("gemini://?concurrency=1",), gemini_api_key=gemini.key)
    gemini.mode = "hang"
    many = [await service.generate(CUP, user_id="ann", seed=seed) for seed in range(6)]
    await gemini.arrived(1)
    few = await service.generate(VASE, user_id="bob")
    gemini.release.set()
    await service.ended(few.generation_id)
    ended = [(await service.status(answer.generation_id)).status for answer in many]
    assert ended.count("completed") <= 3
    for answer in many:
        assert (await service.ended(answer.generation_id)).status == "completed"


async def test_no_more_drawings_than_places_are_asked_for_at_once(gemini: FakeGemini, start: Start) -> None:
    service = await start(image_models=("gemini://?concurrency=2",), gemini_api_key=gemini.key)
    gemini.mode = "hang"
    orders = [await service.generate(CUP, seed=seed) for seed in range(5)]
    await gemini.arrived(2)
    for answer in orders[2:]:
        assert (await service.status(answer.generation_id)).stage == "queued"
    assert len(gemini.requests) == 2
    gemini.release.set()
    for answer in orders:
        await service.ended(answer.generation_id)
    assert len(gemini.requests) == 5


async def test_an_engine_that_fails_again_and_again_is_left_alone(gemini: FakeGemini, start: Start) -> None:
    service = await start(image_models=("gemini://?retries=0", "compositor://"), gemini_api_key=gemini.key)
    gemini.mode = "503"
    for seed in range(8):
        assert (await service.drawn(CUP, seed=seed)).engine == "compositor"
    assert len(gemini.requests) == 5


async def test_an_engine_whose_answers_are_lost_is_left_alone_too(gemini: FakeGemini, start: Start) -> None:
    service = await start(image_models=("gemini://", "compositor://"), gemini_api_key=gemini.key)
    gemini.mode = "drop"
    for seed in range(8):
        assert (await service.drawn(CUP, seed=seed)).engine == "compositor"
    assert len(gemini.requests) == 5


async def test_an_engine_that_refuses_is_not_left_alone(gemini: FakeGemini, painter: Service) -> None:
    gemini.mode = "finish:IMAGE_SAFETY"
    for seed in range(7):
        request = order(CUP, wait=20, seed=seed)
        answer = await painter.stub.GenerateCartImage(request, timeout=30)
        assert answer.error_reason == "CONTENT_BLOCKED"
    assert len(gemini.requests) == 7


async def test_too_many_uploads_at_once_are_refused_with_a_time_to_come_back(service: Service) -> None:
    data = photo(1000, 1000, "PNG")  # few bytes that take long, so that a line forms
    ends = await asyncio.gather(
        *(service.upload(data, user_id=f"shopper-{number}") for number in range(150)), return_exceptions=True
    )
    refused = [end for end in ends if isinstance(end, grpc.aio.AioRpcError)]
    taken = [end for end in ends if isinstance(end, pb.UploadBackgroundResponse)]
    assert len(taken) >= 8  # how many fit depends on how busy the machine is
    assert {end.status for end in taken} == {"success"}
    assert refused
    for error in refused:
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert details(error) == ("OVERLOADED", 1.0)
    assert (await service.upload(data)).status == "success"
