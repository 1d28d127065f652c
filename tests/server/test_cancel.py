"""CancelImageGeneration."""

from __future__ import annotations

import asyncio

from fakes.frontend import FakeFrontend
from fakes.gemini import FakeGemini
from fakes.service import CUP, VASE, Service, Start, check_revisions
from fakes.shop import FakeShop

from imagegenservice.demo.shop import SHOPPER


async def held_by_shop(start: Start, shop: FakeShop, frontend: FakeFrontend) -> Service:
    """A replica whose drawings wait for a product's picture, at no cost."""
    frontend.mode = "hang"
    return await start(pictures_url=frontend.url, **shop.settings)


async def test_a_cancelled_generation_is_failed_at_once_and_stays_so(
    start: Start, shop: FakeShop, frontend: FakeFrontend
) -> None:
    service = await held_by_shop(start, shop, frontend)
    answer = await service.generate(CUP)
    await frontend.arrived.wait()
    cancelled = await service.cancel(answer.generation_id)
    assert (cancelled.status, cancelled.error_reason, cancelled.stage) == ("failed", "CANCELLED", "done")
    await service.idle()
    frontend.release.set()
    assert await service.status(answer.generation_id) == cancelled
    check_revisions(await service.watch(answer.generation_id))


async def test_a_cancelled_order_can_be_made_again(
    start: Start, shop: FakeShop, frontend: FakeFrontend
) -> None:
    service = await held_by_shop(start, shop, frontend)
    first = await service.generate(CUP)
    await frontend.arrived.wait()
    await service.cancel(first.generation_id)
    frontend.mode = "ok"
    second = await service.drawn(CUP)
    assert second.generation_id != first.generation_id
    assert not second.from_cache


async def test_watchers_and_waiting_callers_hear_of_the_cancellation(
    gemini: FakeGemini, painter: Service
) -> None:
    gemini.mode = "hang"
    waiting = asyncio.create_task(painter.generate(CUP, wait=30, idempotency_key="k"))
    await gemini.arrived(1)
    answer = await painter.generate(CUP, idempotency_key="k")
    watching = asyncio.create_task(painter.watch(answer.generation_id))
    await painter.at_stage(answer.generation_id, "drawing")
    await painter.cancel(answer.generation_id)
    assert (await waiting).error_reason == "CANCELLED"
    assert (await watching)[-1].error_reason == "CANCELLED"
    gemini.release.set()


async def test_cancelling_a_finished_generation_changes_nothing(service: Service) -> None:
    answer = await service.drawn(CUP)
    cancelled = await service.cancel(answer.generation_id)
    assert (cancelled.status, cancelled.image_url) == ("completed", answer.image_url)
    assert cancelled == await service.status(answer.generation_id)


async def test_cancelling_twice_is_cancelling_once(gemini: FakeGemini, painter: Service) -> None:
    gemini.mode = "hang"
    answer = await painter.generate(CUP)
    await gemini.arrived(1)
    once, twice = await asyncio.gather(*(painter.cancel(answer.generation_id) for _ in range(2)))
    assert once == twice
    gemini.release.set()


async def test_what_waits_for_its_turn_is_cancelled_without_being_drawn(
    gemini: FakeGemini, start: Start
) -> None:
    service = await start(image_models=("gemini://?concurrency=1",), gemini_api_key=gemini.key)
    gemini.mode = "hang"
    first = await service.generate(CUP)
    await gemini.arrived(1)
    second = await service.generate(VASE)
    assert (await service.cancel(second.generation_id)).error_reason == "CANCELLED"
    gemini.release.set()
    assert (await service.ended(first.generation_id)).status == "completed"
    await service.idle()
    assert len(gemini.requests) == 1


async def test_what_a_cancelled_paid_call_brought_is_there_for_the_next_order(
    gemini: FakeGemini, painter: Service
) -> None:
    gemini.mode = "hang"
    first = await painter.generate(CUP)
    await gemini.arrived(1)
    assert (await painter.cancel(first.generation_id)).error_reason == "CANCELLED"
    gemini.release.set()
    await painter.idle()
    assert (await painter.status(first.generation_id)).error_reason == "CANCELLED"
    second = await painter.drawn(CUP)
    assert second.from_cache
    assert len(gemini.requests) == 1
    record = await painter.running.app.core.generator.status(first.generation_id)
    assert [call.outcome for call in record.ledger] == ["answered"]


async def test_only_its_shopper_cancels_an_order(gemini: FakeGemini, painter: Service) -> None:
    gemini.mode = "hang"
    answer = await painter.generate(user_id=SHOPPER)
    await gemini.arrived(1)
    assert (await painter.cancel(answer.generation_id, user_id="mallory")).status == "not_found"
    assert (await painter.status(answer.generation_id)).status == "processing"
    assert (await painter.cancel(answer.generation_id, user_id=SHOPPER)).error_reason == "CANCELLED"
    gemini.release.set()
