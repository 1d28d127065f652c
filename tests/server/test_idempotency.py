"""The same idempotency_key is the same generation."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import pytest
from fakes.gemini import FakeGemini
from fakes.service import CUP, VASE, Service, Start, order
from fakes.shop import FakeShop


async def test_the_same_key_and_request_is_the_same_generation_while_it_runs_and_after(
    gemini: FakeGemini, painter: Service
) -> None:
    gemini.mode = "hang"
    first = await painter.generate(CUP, idempotency_key="a key")
    await gemini.arrived(1)
    during = await painter.generate(CUP, idempotency_key="a key")
    assert (during.generation_id, during.status) == (first.generation_id, "processing")
    gemini.release.set()
    await painter.ended(first.generation_id)
    after = await painter.generate(CUP, idempotency_key="a key", wait=5)
    assert (after.generation_id, after.status) == (first.generation_id, "completed")
    assert after.image_url
    assert not after.from_cache
    assert len(gemini.requests) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"style_preference": "vintage"},
        {"aspect_ratio": "4:3"},
        {"seed": 2},
        {"background_image_url": "/backgrounds/x"},
    ],
)
async def test_the_same_key_for_another_request_is_refused_and_changes_nothing(
    service: Service, other: dict[str, object]
) -> None:
    first = await service.generate(CUP, idempotency_key="k")
    answer = await service.generate(CUP, idempotency_key="k", **other)
    assert (answer.status, answer.error_reason) == ("failed", "IDEMPOTENCY_KEY_REUSED")
    assert not answer.generation_id
    assert (await service.generate(CUP, idempotency_key="k")).generation_id == first.generation_id
    cart = await service.generate(CUP, VASE, idempotency_key="k")
    assert cart.error_reason == "IDEMPOTENCY_KEY_REUSED"


async def test_another_shoppers_same_key_is_another_key(service: Service) -> None:
    ann = await service.generate(CUP, user_id="ann", idempotency_key="k")
    bob = await service.generate(CUP, user_id="bob", style_preference="luxury", idempotency_key="k")
    nobody = await service.generate(CUP, idempotency_key="k")
    assert len({ann.generation_id, bob.generation_id, nobody.generation_id}) == 3
    assert "failed" not in {ann.status, bob.status, nobody.status}


@pytest.mark.parametrize("store", ["memory", "sqlite"])
async def test_two_hundred_equal_calls_at_once_are_one_generation(
    gemini: FakeGemini, start: Start, tmp_path: Path, store: str
) -> None:
    url = "memory://" if store == "memory" else f"sqlite:///{tmp_path}/state.db"
    # All of ann's may be here at once; how many else is test_admission's matter.
    service = await start(
        state_store=url, image_models=("gemini://",), gemini_api_key=gemini.key, owner_calls=200
    )
    gemini.mode = "hang"
    request = order(CUP, user_id="ann", idempotency_key="k")
    answers = await asyncio.gather(*(service.stub.GenerateCartImage(request, timeout=30) for _ in range(200)))
    assert len({answer.generation_id for answer in answers}) == 1
    await gemini.arrived(1)
    assert service.running.app.studio.drawing == 1
    gemini.release.set()
    await service.ended(answers[0].generation_id)
    assert len(gemini.requests) == 1
    # No place in the queue is lost to the other 199.
    more = [await service.generate(CUP, VASE, user_id="ann", seed=seed) for seed in range(20)]
    assert {answer.status for answer in more} == {"processing"}


async def test_two_replicas_make_one_generation_of_one_key(
    gemini: FakeGemini, start: Start, tmp_path: Path
) -> None:
    shared = {
        "state_store": f"sqlite:///{tmp_path}/state.db",
        "object_storage": f"file://{tmp_path}/pictures",
        "image_models": ("gemini://",),
        "gemini_api_key": gemini.key,
    }
    replicas = [await start(**shared), await start(**shared)]
    gemini.mode = "hang"
    request = order(CUP, user_id="ann", idempotency_key="k")
    answers = await asyncio.gather(
        *(replicas[number % 2].stub.GenerateCartImage(request, timeout=30) for number in range(100))
    )
    [generation_id] = {answer.generation_id for answer in answers}
    await gemini.arrived(1)
    assert sum(replica.running.app.studio.drawing for replica in replicas) == 1
    gemini.release.set()
    for replica in replicas:
        assert (await replica.ended(generation_id)).status == "completed"
    assert len(gemini.requests) == 1


async def test_a_refused_request_does_not_use_up_its_key(service: Service) -> None:
    refused = await service.generate("NO-SUCH-1", idempotency_key="k")
    assert refused.status == "failed"
    taken = await service.generate(CUP, idempotency_key="k")
    assert taken.status == "processing"
    assert taken.generation_id


async def test_a_call_that_could_not_be_served_does_not_use_up_its_key(start: Start, shop: FakeShop) -> None:
    service = await start(**shop.settings)
    shop.modes["GetProduct"] = grpc.StatusCode.UNAVAILABLE
    with pytest.raises(grpc.aio.AioRpcError):
        await service.generate(CUP, idempotency_key="k")
    shop.modes.clear()
    assert (await service.generate(CUP, idempotency_key="k")).generation_id


async def test_a_failed_generation_is_what_its_key_stands_for(gemini: FakeGemini, painter: Service) -> None:
    gemini.mode = "finish:IMAGE_SAFETY"
    first = await painter.generate(CUP, idempotency_key="k", wait=20)
    again = await painter.generate(CUP, idempotency_key="k", wait=20)
    assert first == again
    assert first.error_reason == "CONTENT_BLOCKED"
    assert len(gemini.requests) == 1


async def test_a_key_survives_a_restart(start: Start, tmp_path: Path) -> None:
    shared = {
        "state_store": f"sqlite:///{tmp_path}/state.db",
        "object_storage": f"file://{tmp_path}/pictures",
    }
    first = await (await start(**shared)).drawn(CUP, idempotency_key="k")
    again = await (await start(**shared)).drawn(CUP, idempotency_key="k")
    assert again.generation_id == first.generation_id


@pytest.mark.parametrize("key", ["k" * 255, "!", "a b", "~" * 10])
async def test_printable_ascii_is_a_key(service: Service, key: str) -> None:
    assert (await service.generate(CUP, idempotency_key=key)).status == "processing"


@pytest.mark.parametrize("key", ["k" * 256, " ", " a", "a ", "tab\t", "ümlaut", "nul\0", "line\n"])
async def test_anything_else_is_not(service: Service, key: str) -> None:
    answer = await service.generate(CUP, idempotency_key=key)
    assert (answer.status, answer.error_reason) == ("failed", "INVALID_IDEMPOTENCY_KEY")
