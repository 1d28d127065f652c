"""Every class of error, as a client sees it."""

from __future__ import annotations

import json
import logging

import grpc
import pytest
from fakes.gemini import FakeGemini
from fakes.service import CUP, VASE, Service, Start, details, order
from fakes.shop import FakeShop

from imagegenservice.model import Document
from imagegenservice.pb import demo_pb2
from imagegenservice.pb import imagegen_pb2 as pb

SERVICE = "/hipstershop.ImageGenerationService"
METHODS = [
    "GenerateCartImage",
    "UploadBackground",
    "GetImageGenerationStatus",
    "CancelImageGeneration",
]


async def raw(service: Service, method: str, data: bytes) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await service.channel.unary_unary(f"{SERVICE}/{method}")(data, timeout=10)
    return caught.value


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "data",
    [b"\x0a\x03\xff\xfe\xfd", b"\xff\xff\xff\xff", b"\x0a\x7f", b"\x0a\x02\xed\xa0"],
    ids=["not UTF-8", "no field", "cut short", "a lone surrogate"],
)
async def test_what_cannot_be_decoded_is_an_invalid_argument(
    service: Service, method: str, data: bytes
) -> None:
    error = await raw(service, method, data)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error.details() == "The message cannot be decoded."
    assert details(error) == ("MALFORMED_MESSAGE", None)


async def test_a_watch_that_cannot_be_decoded_is_an_invalid_argument(service: Service) -> None:
    call = service.channel.unary_stream(f"{SERVICE}/WatchImageGeneration")(b"\xff\xff", timeout=10)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_an_unknown_method_is_unimplemented(service: Service) -> None:
    assert (await raw(service, "DrawEverything", b"")).code() is grpc.StatusCode.UNIMPLEMENTED


BAD_ORDERS = {
    "nobody's nothing": (pb.GenerateCartImageRequest(), "INVALID_USER_ID"),
    "a long user_id": (order(CUP, user_id="u" * 257), "INVALID_USER_ID"),
    "a long style": (order(CUP, style_preference="s" * 65), "INVALID_STYLE_PREFERENCE"),
    "a long URL": (order(CUP, background_image_url="u" * 2049), "INVALID_BACKGROUND_IMAGE_URL"),
    "51 items": (order(*(f"P{n}" for n in range(51))), "INVALID_CART_ITEMS"),
    "an empty product": (order(""), "INVALID_PRODUCT_ID"),
    "a path": (order("../../x"), "INVALID_PRODUCT_ID"),
    "a long product": (order("p" * 129), "INVALID_PRODUCT_ID"),
    "a look-alike": (order("\u0421UP-FERN01"), "INVALID_PRODUCT_ID"),
    "a line break": (order("P1\n"), "INVALID_PRODUCT_ID"),
    "an odd ratio": (order(CUP, aspect_ratio="5:1"), "INVALID_ASPECT_RATIO"),
    "a negative wait": (order(CUP, wait=-1), "INVALID_WAIT"),
    "a long wait": (order(CUP, wait=61), "INVALID_WAIT"),
    "a wait for ever": (order(CUP, wait=3e8), "INVALID_WAIT"),
}


@pytest.mark.parametrize("case", BAD_ORDERS)
async def test_a_bad_field_fails_and_is_named(service: Service, case: str) -> None:
    request, reason = BAD_ORDERS[case]
    answer = await service.stub.GenerateCartImage(request, timeout=10)
    assert (answer.status, answer.error_reason, answer.generation_id) == ("failed", reason, "")
    assert answer.error_message.startswith(f"{reason.removeprefix('INVALID_').lower()}: ")


@pytest.mark.parametrize("quantity", [0, -1, 1000, 2**31 - 1, -(2**31)])
async def test_a_bad_quantity_fails_and_says_what_is_allowed(service: Service, quantity: int) -> None:
    request = pb.GenerateCartImageRequest(cart_items=[demo_pb2.CartItem(product_id=CUP, quantity=quantity)])
    answer = await service.stub.GenerateCartImage(request, timeout=10)
    assert (answer.status, answer.error_reason) == ("failed", "INVALID_QUANTITY")
    assert "between 1 and 999" in answer.error_message


async def test_a_shopper_of_256_characters_of_any_kind_is_served(service: Service) -> None:
    user = "ü\u0000\n';--😀" + "x" * 248
    assert len(user) <= 256
    answer = await service.generate(CUP, user_id=user)
    assert answer.status == "processing"
    assert (await service.status(answer.generation_id, user_id=user)).status != "not_found"


async def test_a_full_queue_is_a_code_with_a_time_to_come_back(gemini: FakeGemini, start: Start) -> None:
    service = await start(image_models=("gemini://",), gemini_api_key=gemini.key, queue_size=2)
    gemini.mode = "hang"
    for seed in range(2):
        await service.generate(CUP, seed=seed)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await service.generate(CUP, seed=2)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert caught.value.details() == "The queue is full. Please try again later."
    reason, delay = details(caught.value)
    assert (reason, delay) == ("OVERLOADED", 5.0)
    assert await service.health() == "SERVING"
    gemini.release.set()


async def test_what_nobody_foresaw_is_internal_with_an_id_that_the_log_knows(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    store = service.running.app.core.generator._records._store
    await store.create(Document("generation", "broken", {"SECRET": "no generation"}))
    with caplog.at_level(logging.ERROR), pytest.raises(grpc.aio.AioRpcError) as caught:
        await service.status("broken")
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    said = caught.value.details() or ""
    assert said.startswith("The service failed (incident ")
    assert "SECRET" not in said
    [record] = [record for record in caplog.records if record.getMessage() == "a call failed"]
    assert vars(record)["incident"] in said


async def test_the_shops_own_words_do_not_reach_the_caller(start: Start, shop: FakeShop) -> None:
    service = await start(**shop.settings)
    shop.modes["GetCart"] = grpc.StatusCode.FAILED_PRECONDITION
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await service.generate(user_id="ann")
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "SECRET" not in repr(caught.value)


async def test_no_secret_and_no_shopper_stands_in_the_log(
    gemini: FakeGemini, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "imagegenservice")
    gemini.key = "SECRET-GEMINI-KEY"
    service = await start(
        image_models=("gemini://?retries=0", "compositor://"),
        gemini_api_key=gemini.key,
        owner_hash_key="SECRET-HASH-KEY",
    )
    gemini.modes.extend(["503", "400-key", "drop", "finish:IMAGE_SAFETY"])
    for seed in range(4):
        await service.generate(
            CUP,
            VASE,
            wait=20,
            seed=seed,
            user_id="SECRET-COOKIE",
            style_preference="SECRET-STYLE",
            idempotency_key=f"SECRET-IDEMPOTENCY-{seed}",
        )
    await service.upload(b"SECRET-PICTURE", user_id="SECRET-COOKIE")
    await service.generate(CUP, background_image_url="https://x.test/?token=SECRET-TOKEN")
    logged = json.dumps(
        [{**vars(record), "text": record.getMessage()} for record in caplog.records], default=repr
    )
    assert "an engine did not draw" in logged
    assert "SECRET" not in logged.upper()
    metrics = service.running.app.core.metrics
    text = str([(metric.name, metric.samples) for metric in metrics.registry.collect()])
    assert "SECRET" not in text.upper()
