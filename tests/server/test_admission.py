"""Who is let in, and what those hear who are not."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import httpx2
import pytest
from conftest import Start
from fakes.gemini import FakeGemini
from fakes.patience import until
from fakes.service import CUP, VASE, Service, base64_of, details, order, photo
from fakes.shop import FakeShop

from imagegenservice.pb import imagegen_pb2 as pb
from imagegenservice.servers.admission import Kind


@asynccontextmanager
async def waiting(service: Service, count: int, **fields: str) -> AsyncIterator[None]:
    """So many calls that wait for pictures that are not drawn."""
    calls = [
        service.stub.GenerateCartImage(order(CUP, wait=30, seed=seed, **fields), timeout=40)
        for seed in range(count)
    ]
    await until(lambda: service.running.app.studio.drawing >= count)
    try:
        yield
    finally:
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


async def refusal(call: object) -> grpc.aio.AioRpcError:
    begin = time.monotonic()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call  # type: ignore[misc]
    assert time.monotonic() - begin < 1, "at once"
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert details(caught.value) == ("OVERLOADED", 1.0)
    return caught.value


def named(error: grpc.aio.AioRpcError) -> str:
    """The request's id, by which its caller finds it in the log."""
    return dict(error.trailing_metadata() or ())["x-request-id"]


async def metric(service: Service, line: str) -> float:
    async with httpx2.AsyncClient() as client:
        page = (await client.get(f"{service.http}/metrics")).text
    found = [text for text in page.splitlines() if text.startswith(line + " ")]
    return float(found[0].rpartition(" ")[2]) if found else 0.0


@pytest.fixture
async def hung(gemini: FakeGemini) -> dict[str, object]:
    """Settings with which no picture is ever drawn."""
    gemini.mode = "hang"
    return {"image_models": ("gemini://",), "gemini_api_key": gemini.key}


async def test_one_call_more_than_there_is_room_for_is_refused_at_once(
    start: Start, hung: dict[str, object]
) -> None:
    service = await start(max_calls=3, **hung)
    async with waiting(service, 3):
        await refusal(service.generate(VASE))
        await refusal(service.status("0" * 32))
        assert await service.health() == "SERVING"
        assert await metric(service, 'imagegen_places_taken{kind="call"}') == 3
    await until(lambda: service.running.admission.here("call") == 0)
    assert (await service.status("0" * 32)).status == "not_found"
    refused = 'imagegen_refused_total{bound="all",method="%s"}'
    assert await metric(service, refused % "GenerateCartImage") == 1
    assert await metric(service, refused % "GetImageGenerationStatus") == 1


async def test_a_refused_call_has_a_name_and_a_line_in_the_log(
    start: Start, hung: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    service = await start(max_calls=1, **hung)
    async with waiting(service, 1):
        with caplog.at_level(logging.INFO, "imagegenservice"):
            name = named(await refusal(service.generate(VASE)))
    [line] = [record for record in caplog.records if getattr(record, "code", "") == "RESOURCE_EXHAUSTED"]
    assert name
    assert (line.message, line.method, line.reason) == ("a call ended", "GenerateCartImage", "OVERLOADED")  # type: ignore[attr-defined]


async def test_one_shopper_cannot_take_all_the_room(start: Start, hung: dict[str, object]) -> None:
    service = await start(owner_calls=2, **hung)
    async with waiting(service, 2, user_id="ann"):
        await refusal(service.generate(VASE, user_id="ann"))
        await refusal(service.status("0" * 32, "ann"))
        assert (await service.generate(VASE, user_id="bob")).status == "processing"
        assert (await service.generate(VASE)).status == "processing"
    await until(lambda: service.running.admission.here("call") == 0)
    assert (await service.status("0" * 32, "ann")).status == "not_found"


async def test_watches_have_a_bound_of_their_own(start: Start, hung: dict[str, object]) -> None:
    service = await start(max_streams=4, owner_calls=2, **hung)
    answer = await service.generate(CUP, user_id="ann")

    def watch(user_id: str = "") -> grpc.aio.UnaryStreamCall[object, pb.GetStatusResponse]:
        request = pb.WatchImageGenerationRequest(generation_id=answer.generation_id, user_id=user_id)
        return service.stub.WatchImageGeneration(request, timeout=30)

    calls = [watch("ann"), watch("ann")]
    for call in calls:
        assert (await call.read()).status == "processing"
    await refusal(watch("ann").read())
    calls += [watch(), watch()]
    for call in calls[2:]:
        assert (await call.read()).status == "processing"
    await refusal(watch().read())
    assert (await service.status(answer.generation_id)).status == "processing"
    for call in calls:
        call.cancel()
    await until(lambda: service.running.admission.here("stream") == 0)
    last = watch("ann")
    assert (await last.read()).status == "processing"
    last.cancel()


async def test_uploads_wait_for_their_turn_and_eight_anonymous_ones_at_once_all_get_it(start: Start) -> None:
    service = await start(max_uploads=1)
    answers = await asyncio.gather(*(service.upload(photo(colour=(n, n, n))) for n in range(0, 160, 10)))
    assert {answer.status for answer in answers} == {"success"}
    assert len({answer.image_url for answer in answers}) == 16
    assert service.running.admission.here("upload") == 0


class Slow:
    """An upload whose message does not come: its head is sent, and nothing more."""

    def __init__(self, service: Service) -> None:
        self.call = service.channel.stream_unary(
            "/hipstershop.ImageGenerationService/UploadBackground",
            request_serializer=pb.UploadBackgroundRequest.SerializeToString,
            response_deserializer=pb.UploadBackgroundResponse.FromString,
        )(timeout=60)


async def test_the_line_for_uploads_has_an_end(start: Start) -> None:
    service = await start(max_uploads=1)
    slow = [Slow(service) for _ in range(65)]
    await until(lambda: service.running.admission.here("upload") == 65)
    request = pb.UploadBackgroundRequest(image_data=base64_of(photo()))
    await refusal(service.stub.UploadBackground(request, timeout=10))
    assert (await service.status("0" * 32)).status == "not_found"
    for upload in slow:
        upload.call.cancel()
    await until(lambda: service.running.admission.here("upload") == 0)
    assert (await service.upload(photo())).status == "success"


async def test_whoever_leaves_the_line_holds_no_place_in_it(start: Start) -> None:
    service = await start(max_uploads=1)
    first, second = Slow(service), Slow(service)
    await until(lambda: service.running.admission.here("upload") == 2)
    second.call.cancel()
    await until(lambda: service.running.admission.here("upload") == 1)
    third = asyncio.create_task(service.upload(photo()))
    await until(lambda: service.running.admission.here("upload") == 2)
    first.call.cancel()
    assert (await third).status == "success"


async def test_a_call_without_a_message_is_malformed(service: Service) -> None:
    call = Slow(service).call
    await call.done_writing()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_health_comes_in_when_nobody_else_does(start: Start, hung: dict[str, object]) -> None:
    service = await start(max_calls=1, max_streams=1, **hung)
    async with waiting(service, 1):
        assert await service.health() == "SERVING"
        assert await service.health("hipstershop.ImageGenerationService") == "SERVING"
        async with httpx2.AsyncClient() as client:
            for page in ("/healthz", "/readyz"):
                assert (await client.get(f"{service.http}{page}")).status_code == 200


async def test_the_http_door_refuses_with_429_and_lets_health_in(start: Start) -> None:
    service = await start(max_calls=1)
    admission = service.running.admission
    with admission.place(Kind.HTTP, "HTTP"):
        async with httpx2.AsyncClient() as client:
            refused = await client.get(f"{service.http}/pictures/{'0' * 40}.jpg")
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
            assert refused.text == "Too much is going on at the moment. Please try again later."
            for page in ("/healthz", "/readyz"):
                assert (await client.get(f"{service.http}{page}")).status_code == 200
    assert await metric(service, 'imagegen_refused_total{bound="all",method="HTTP"}') == 1


async def test_with_the_queue_full_the_shop_is_asked_for_a_few_orders_only(
    start: Start, hung: dict[str, object], shop: FakeShop
) -> None:
    service = await start(queue_size=1, **hung, **shop.settings)
    await service.generate(CUP)
    shop.modes["GetProduct"] = "hang"
    asked = shop.calls.count("GetProduct")
    looked_at = [asyncio.create_task(service.generate(VASE, seed=seed)) for seed in range(8)]
    await until(lambda: shop.calls.count("GetProduct") == asked + 8)
    begin = time.monotonic()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await service.generate(VASE, seed=9)
    assert time.monotonic() - begin < 1
    assert details(caught.value) == ("OVERLOADED", 5.0)
    assert shop.calls.count("GetProduct") == asked + 8
    shop.release.set()
    ends = await asyncio.gather(*looked_at, return_exceptions=True)
    assert {end.code() for end in ends if isinstance(end, grpc.aio.AioRpcError)} == {
        grpc.StatusCode.RESOURCE_EXHAUSTED
    }
