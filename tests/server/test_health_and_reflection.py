"""Health for Kubernetes, reflection for people: grpcurl itself looks at it."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import grpc
import pytest
from fakes.service import CUP, Service, Start
from grpc_health.v1 import health_pb2, health_pb2_grpc

SERVICE = "hipstershop.ImageGenerationService"
GRPCURL = Path(sys.executable).with_name("grpcurl")


async def grpcurl(service: Service, *arguments: str) -> tuple[int, str]:
    """Its exit code and what it printed."""
    *options, verb = arguments
    target = f"127.0.0.1:{service.running.grpc.port}"
    process = await asyncio.create_subprocess_exec(
        *(str(GRPCURL), "-plaintext", "-max-time", "20", *options, target, *verb.split()),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, printed.decode()


@pytest.mark.parametrize("name", ["", SERVICE])
async def test_the_service_says_that_it_serves(service: Service, name: str) -> None:
    assert await service.health(name) == "SERVING"


async def test_the_health_of_an_unknown_service_is_not_found(service: Service) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await service.health("hipstershop.NoSuchService")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_watch_of_the_health_is_told_of_the_end(service: Service) -> None:
    watch = health_pb2_grpc.HealthStub(service.channel).Watch(health_pb2.HealthCheckRequest(), timeout=20)
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
    await service.running.grpc.refuse()
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
    watch.cancel()


async def test_while_draining_it_says_so_and_still_answers(service: Service) -> None:
    await service.running.grpc.refuse()
    for name in ("", SERVICE):
        assert await service.health(name) == "NOT_SERVING"
    assert (await service.generate(CUP)).status == "processing"


async def test_grpcurl_lists_the_services(service: Service) -> None:
    code, printed = await grpcurl(service, "list")
    assert code == 0
    assert {SERVICE, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"} <= set(
        printed.split()
    )
    code, printed = await grpcurl(service, f"list {SERVICE}")
    assert len(printed.split()) == 5


async def test_grpcurl_describes_the_contract_with_its_fixed_numbers(service: Service) -> None:
    code, printed = await grpcurl(service, "describe hipstershop.GenerateCartImageRequest")
    assert code == 0
    for line in (
        "string user_id = 1;",
        "string style_preference = 2;",
        "string background_image_url = 3;",
        "repeated .hipstershop.CartItem cart_items = 4;",
    ):
        assert line in printed
    _, printed = await grpcurl(service, "describe hipstershop.GetStatusResponse")
    for line in ("string status = 1;", "string image_url = 2;", "int32 progress = 3;", "error_message = 4;"):
        assert line in printed


async def test_grpcurl_orders_a_picture_and_watches_it(service: Service) -> None:
    data = json.dumps({"cart_items": [{"product_id": CUP, "quantity": 2}], "wait": "20s"})
    code, printed = await grpcurl(service, "-d", data, f"{SERVICE}/GenerateCartImage")
    assert code == 0, printed
    answer = json.loads(printed)
    assert answer["status"] == "completed"
    watched = json.dumps({"generation_id": answer["generation_id"]})
    code, printed = await grpcurl(service, "-d", watched, f"{SERVICE}/WatchImageGeneration")
    assert code == 0
    assert printed.rstrip().endswith("}")
    assert printed.count('"stage"') == int(answer["revision"])


async def test_grpcurl_shows_an_errors_code_and_details(start: Start) -> None:
    service = await start(cart_service_addr="127.0.0.1:1")
    code, printed = await grpcurl(service, "-d", '{"user_id": "ann"}', f"{SERVICE}/GenerateCartImage")
    assert code != 0
    assert "Unavailable" in printed
    assert "RetryInfo" in printed


async def test_without_reflection_nothing_is_told_and_all_the_rest_works(start: Start) -> None:
    service = await start(enable_reflection=False)
    code, printed = await grpcurl(service, "list")
    assert code != 0
    assert "does not support the reflection API" in printed
    assert (await service.generate(CUP)).status == "processing"
