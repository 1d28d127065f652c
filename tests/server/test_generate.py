"""GenerateCartImage from order to picture."""

from __future__ import annotations

import asyncio
import io

import grpc
import httpx2
import numpy as np
import pytest
from fakes.gemini import FakeGemini
from fakes.service import CARAFE, CUP, VASE, Service, Start, details, order, photo
from PIL import Image

from imagegenservice.demo.shop import SHOPPER
from imagegenservice.pb import imagegen_pb2 as pb


async def picture_at(url: str) -> Image.Image:
    async with httpx2.AsyncClient() as client:
        answer = await client.get(url)
    assert answer.status_code == 200, url
    return Image.open(io.BytesIO(answer.content))


async def test_the_cart_of_a_shopper_becomes_one_picture_that_a_browser_can_load(service: Service) -> None:
    answer = await service.drawn(user_id=SHOPPER)
    assert (answer.status, answer.stage, answer.progress) == ("completed", "done", 100)
    assert (answer.error_message, answer.error_reason, answer.engine) == ("", "", "compositor")
    assert (answer.width, answer.height, answer.media_type) == (256, 256, "image/jpeg")
    assert answer.created_at.ToDatetime() <= answer.completed_at.ToDatetime()
    assert not answer.from_cache
    assert not answer.products_left_out
    picture = await picture_at(answer.image_url)
    assert picture.size == (256, 256)
    assert np.asarray(picture).std() > 10


async def test_without_a_wait_the_order_is_answered_at_once_and_drawn_afterwards(
    gemini: FakeGemini, painter: Service
) -> None:
    gemini.mode = "hang"
    answer = await painter.generate(CUP)
    assert (answer.status, answer.stage, answer.progress, answer.revision) == ("processing", "queued", 0, 1)
    assert answer.generation_id
    assert not answer.image_url
    await gemini.arrived(1)
    gemini.release.set()
    assert (await painter.ended(answer.generation_id)).status == "completed"


async def test_a_wait_ends_with_processing_when_the_picture_takes_longer(
    gemini: FakeGemini, painter: Service
) -> None:
    gemini.mode = "hang"
    answer = await painter.generate(CUP, wait=0.3)
    assert answer.status == "processing"
    assert answer.stage == "drawing"
    gemini.release.set()


async def test_a_wait_ends_before_the_callers_own_deadline(gemini: FakeGemini, painter: Service) -> None:
    gemini.mode = "hang"
    answer = await painter.stub.GenerateCartImage(order(CUP, wait=30), timeout=1.0)
    assert answer.status == "processing"
    gemini.release.set()


@pytest.mark.parametrize(
    ("ratio", "size"),
    [("", (256, 256)), ("4:3", (256, 192)), ("9:16", (144, 256)), ("3:2", (256, 170)), ("2:3", (170, 256))],
)
async def test_the_picture_has_the_ratio_that_was_asked_for(
    service: Service, ratio: str, size: tuple[int, int]
) -> None:
    answer = await service.drawn(CUP, aspect_ratio=ratio)
    assert (answer.width, answer.height) == size
    assert (await picture_at(answer.image_url)).size == size


@pytest.mark.parametrize("style", ["vintage", "LUXURY ", "a rainy evening in Lisbon", "", "\u202e\u0000ok"])
async def test_any_short_style_is_drawn(service: Service, style: str) -> None:
    assert (await service.drawn(CUP, style_preference=style)).image_url


async def test_another_style_and_another_seed_make_another_picture(service: Service) -> None:
    answers = [
        await service.drawn(CUP),
        await service.drawn(CUP, style_preference="vintage"),
        await service.drawn(CUP, seed=1),
    ]
    assert len({answer.image_url for answer in answers}) == 3
    assert not any(answer.from_cache for answer in answers)


async def test_products_that_the_catalog_does_not_know_are_left_out_and_named(service: Service) -> None:
    answer = await service.drawn(CUP, "NO-SUCH-1", "NO-SUCH-2")
    assert list(answer.products_left_out) == ["NO-SUCH-1", "NO-SUCH-2"]
    assert list((await service.status(answer.generation_id)).products_left_out) == ["NO-SUCH-1", "NO-SUCH-2"]


async def test_an_order_of_unknown_products_only_fails(service: Service) -> None:
    answer = await service.generate("NO-SUCH-1")
    assert (answer.status, answer.error_reason, answer.generation_id) == ("failed", "PRODUCTS_UNKNOWN", "")


async def test_an_empty_cart_fails_and_says_so(service: Service) -> None:
    answer = await service.generate(user_id="somebody-without-a-cart")
    assert (answer.status, answer.error_reason) == ("failed", "CART_EMPTY")
    assert "cart is empty" in answer.error_message


async def test_the_picture_says_how_it_was_made(gemini: FakeGemini, start: Start) -> None:
    drawn = await (await start()).drawn(CUP)
    assert b"digitalsourcetype/compositeSynthetic" in _xmp(await picture_at(drawn.image_url))
    painted = await (await start(image_models=("gemini://",), gemini_api_key=gemini.key)).drawn(CUP)
    assert painted.engine == "gemini/gemini-nano-banana-2.1"
    assert b"digitalsourcetype/trainedAlgorithmicMedia" in _xmp(await picture_at(painted.image_url))


def _xmp(picture: Image.Image) -> bytes:
    return bytes(picture.info["xmp"])


async def test_the_background_that_was_uploaded_is_behind_the_products(service: Service) -> None:
    uploaded = await service.upload(photo(300, 300, colour=(20, 200, 40)))
    answer = await service.drawn(CUP, background_image_url=uploaded.image_url)
    pixels = np.asarray((await picture_at(answer.image_url)).convert("RGB")).astype(int)
    right = pixels[5:60, -20:]
    assert (right[..., 1] > right[..., 0] + 60).mean() > 0.9
    plain = await service.drawn(CUP)
    assert plain.image_url != answer.image_url


async def test_the_brief_is_a_snapshot_of_the_cart(gemini: FakeGemini, painter: Service) -> None:
    gemini.mode = "hang"
    answer = await painter.generate(CUP, VASE)
    await gemini.arrived(1)
    gemini.release.set()
    await painter.ended(answer.generation_id)
    assert len(gemini.requests[0].asked.images) == 2


async def test_a_picture_is_asked_for_and_paid_once(gemini: FakeGemini, painter: Service) -> None:
    gemini.mode = "hang"
    answer = await painter.generate(CARAFE)
    await gemini.arrived(1)
    claim = await painter.running.app.core.generator.status(answer.generation_id)
    assert [call.outcome for call in claim.ledger] == ["open"], "the intent is stored before the answer"
    gemini.release.set()
    await painter.ended(answer.generation_id)
    claim = await painter.running.app.core.generator.status(answer.generation_id)
    assert [call.outcome for call in claim.ledger] == ["answered"]
    assert claim.ledger[0].usage
    assert len(gemini.requests) == 1


async def test_a_refusal_of_the_model_fails_with_its_category(gemini: FakeGemini, start: Start) -> None:
    service = await start(image_models=("gemini://", "compositor://"), gemini_api_key=gemini.key)
    gemini.mode = "finish:IMAGE_SAFETY"
    answer = await service.generate(CUP, wait=20)
    assert (answer.status, answer.error_reason) == ("failed", "CONTENT_BLOCKED")
    assert "IMAGE_SAFETY" in answer.error_message
    assert "SECRET" not in answer.error_message
    assert len(gemini.requests) == 1


async def test_a_refusal_falls_through_where_the_settings_say_so(gemini: FakeGemini, start: Start) -> None:
    service = await start(
        image_models=("gemini://", "compositor://"),
        gemini_api_key=gemini.key,
        fall_through_on_refusal=True,
    )
    gemini.mode = "block:PROHIBITED_CONTENT"
    answer = await service.drawn(CUP)
    assert answer.engine == "compositor"
    assert [failure.reason for failure in answer.engine_failures] == ["CONTENT_BLOCKED"]


async def test_the_next_engine_draws_when_one_is_away_and_the_answer_says_why(
    gemini: FakeGemini, start: Start
) -> None:
    service = await start(image_models=("gemini://?retries=0", "compositor://"), gemini_api_key=gemini.key)
    gemini.mode = "503"
    answer = await service.drawn(CUP)
    assert answer.engine == "compositor"
    [failure] = answer.engine_failures
    assert failure.engine == "gemini/gemini-nano-banana-2.1"
    assert failure.reason.isupper()
    assert "SECRET" not in failure.message
    assert not (await service.status(answer.generation_id)).error_reason


async def test_an_answer_that_was_lost_is_not_paid_for_again(gemini: FakeGemini, painter: Service) -> None:
    gemini.mode = "half"
    answer = await painter.generate(CUP, wait=20)
    assert (answer.status, answer.error_reason) == ("failed", "OUTCOME_UNKNOWN")
    assert len(gemini.requests) == 1


async def test_after_a_lost_answer_the_engine_that_costs_nothing_draws(
    gemini: FakeGemini, start: Start
) -> None:
    service = await start(image_models=("gemini://", "compositor://"), gemini_api_key=gemini.key)
    gemini.mode = "drop"
    answer = await service.drawn(CUP)
    assert answer.engine == "compositor"
    assert [failure.reason for failure in answer.engine_failures] == ["OUTCOME_UNKNOWN"]
    assert len(gemini.requests) == 1


async def test_a_lost_answer_is_paid_for_again_where_the_settings_allow_it(
    gemini: FakeGemini, start: Start
) -> None:
    both = ("gemini://", "gemini://gemini-3-pro-image")
    service = await start(image_models=both, gemini_api_key=gemini.key, unknown_outcome_retries=1)
    gemini.modes.extend(["drop", "ok"])
    answer = await service.drawn(CUP)
    assert answer.engine == "gemini/gemini-3-pro-image"
    assert len(gemini.requests) == 2


async def test_a_caller_that_leaves_does_not_end_the_drawing(gemini: FakeGemini, painter: Service) -> None:
    gemini.mode = "hang"
    call = painter.stub.GenerateCartImage(order(CUP, wait=30, idempotency_key="left"))
    await gemini.arrived(1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    gemini.release.set()
    answer = await painter.generate(CUP, wait=20, idempotency_key="left")
    assert answer.status == "completed"
    assert len(gemini.requests) == 1


async def test_one_drawing_ends_within_its_time_whatever_the_engines_do(
    gemini: FakeGemini, start: Start
) -> None:
    service = await start(image_models=("gemini://",), gemini_api_key=gemini.key, draw_timeout=1.5)
    gemini.mode = "hang"
    answer = await service.generate(CUP, wait=10)
    assert (answer.status, answer.error_reason) == ("failed", "OUTCOME_UNKNOWN")
    async with asyncio.timeout(5):
        await gemini.hung_up.wait()


async def test_a_shop_that_is_away_is_a_code_with_a_time_to_come_back(start: Start) -> None:
    service = await start(cart_service_addr="127.0.0.1:1")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await service.generate(user_id="anybody")
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    reason, delay = details(caught.value)
    assert reason == "UNAVAILABLE"
    assert delay
    assert delay > 0


async def test_an_old_client_that_knows_only_the_contract_is_served(service: Service) -> None:
    call = service.channel.unary_unary("/hipstershop.ImageGenerationService/GenerateCartImage")
    answer = await call(order(CUP).SerializeToString())
    known = pb.GenerateCartImageResponse.FromString(answer)
    assert known.generation_id
    assert known.status == "processing"
    status = await service.ended(known.generation_id)
    assert (status.status, status.progress) == ("completed", 100)
    assert status.image_url.startswith(f"{service.http}/pictures/")
