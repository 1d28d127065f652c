"""Bounds: messages, deadlines, cancelled callers, connections."""

from __future__ import annotations

import asyncio
import socket
import time

import grpc
import pytest
from fakes.gemini import FakeGemini
from fakes.patience import until
from fakes.service import CUP, VASE, Service, Start, base64_of, order, photo
from fakes.shop import FakeShop

from imagegenservice.pb import demo_pb2
from imagegenservice.pb import imagegen_pb2 as pb

BIGGEST = 10 * 1024 * 1024


async def test_an_oversize_message_is_refused_with_a_code_and_the_next_one_is_served(
    service: Service,
) -> None:
    request = pb.UploadBackgroundRequest(image_data="A" * (BIGGEST * 3 // 2 + 128 * 1024))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await service.stub.UploadBackground(request, timeout=20)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (await service.upload(photo())).status == "success"


async def test_the_largest_picture_that_is_allowed_gets_through(service: Service) -> None:
    data = photo() + bytes(BIGGEST - len(photo()))
    plain = base64_of(data)
    text = "data:image/jpeg;base64," + "\r\n".join(plain[at : at + 76] for at in range(0, len(plain), 76))
    answer = await service.stub.UploadBackground(pb.UploadBackgroundRequest(image_data=text), timeout=20)
    assert answer.status == "success", answer.error_message


async def test_one_byte_more_is_refused_in_words(service: Service) -> None:
    answer = await service.upload(photo() + bytes(BIGGEST - len(photo()) + 1))
    assert (answer.status, answer.error_reason) == ("failed", "IMAGE_TOO_LARGE")


async def test_fifty_items_of_999_are_accepted(gemini: FakeGemini, painter: Service) -> None:
    items = [demo_pb2.CartItem(product_id=f"P{number}", quantity=999) for number in range(49)]
    items.append(demo_pb2.CartItem(product_id=CUP, quantity=999))
    answer = await painter.stub.GenerateCartImage(pb.GenerateCartImageRequest(cart_items=items), timeout=10)
    assert answer.status == "processing"
    assert len(answer.products_left_out) == 49


async def test_a_million_items_are_refused_quickly(service: Service) -> None:
    item = demo_pb2.CartItem(product_id=CUP, quantity=1)
    request = pb.GenerateCartImageRequest(cart_items=[item] * 300_000)
    # The work of both ends; the time on the clock is as much that of whoever else is on the machine.
    begin = time.process_time()
    answer = await service.stub.GenerateCartImage(request, timeout=60)
    assert answer.error_reason == "INVALID_CART_ITEMS"
    assert time.process_time() - begin < 5


async def test_a_deadline_of_a_millisecond_harms_nobody(service: Service) -> None:
    ends = await asyncio.gather(
        *(service.stub.GenerateCartImage(order(CUP), timeout=0.001) for _ in range(50)),
        return_exceptions=True,
    )
    codes = {end.code() for end in ends if isinstance(end, grpc.aio.AioRpcError)}
    assert codes == {grpc.StatusCode.DEADLINE_EXCEEDED}
    assert (await service.drawn(VASE)).status == "completed"


async def test_a_caller_that_leaves_while_the_shop_is_slow_has_still_ordered(
    start: Start, shop: FakeShop
) -> None:
    service = await start(**shop.settings)
    shop.modes["GetProduct"] = "hang"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await service.stub.GenerateCartImage(order(CUP, idempotency_key="k"), timeout=0.5)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    shop.release.set()
    await service.running.app.core.generator.settle()
    again = await service.generate(CUP, idempotency_key="k")
    assert again.generation_id
    assert shop.calls.count("GetProduct") == 1


async def test_a_hundred_cancelled_calls_leave_a_service_that_works(
    gemini: FakeGemini, painter: Service
) -> None:
    gemini.mode = "hang"
    calls = [painter.stub.GenerateCartImage(order(CUP, wait=30, seed=seed)) for seed in range(100)]
    await gemini.arrived(8)
    for call in calls:
        call.cancel()
    gone = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in gone)
    gemini.mode = "ok"
    gemini.release.set()
    assert (await painter.drawn(VASE)).status == "completed"
    # What was accepted before its caller left is drawn all the same.
    studio = painter.running.app.studio
    await until(lambda: not studio.drawing)
    assert studio.room == painter.settings.queue_size


async def test_connections_that_say_nothing_or_nonsense_harm_nobody(service: Service) -> None:
    port = service.running.grpc.port
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(50)]
    for at, connection in enumerate(silent):
        if at % 2:
            connection.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n" + bytes(100))
    assert (await service.generate(CUP)).status == "processing"
    for connection in silent:
        connection.close()
    assert await service.health() == "SERVING"


async def test_huge_metadata_is_refused_by_itself(service: Service) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await service.stub.GenerateCartImage(order(CUP), metadata=[("x", "y" * 200_000)], timeout=10)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (await service.generate(CUP)).status == "processing"
