"""Traces, as the collector gets them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from fakes.collector import FakeCollector, said
from fakes.frontend import FakeFrontend
from fakes.gemini import FakeGemini
from fakes.http import Answer, HttpServer, Request
from fakes.service import CUP, Service, order, photo, serving
from fakes.shop import FakeShop
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from imagegenservice.demo.shop import SHOPPER
from imagegenservice.pb import imagegen_pb2 as pb

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{CALLER}-01"
METHOD = "hipstershop.ImageGenerationService"


@pytest.fixture
async def collector() -> AsyncIterator[FakeCollector]:
    async with FakeCollector().opened() as collector:
        yield collector


async def called(
    service: Service, *metadata: tuple[str, str], **fields: Any
) -> tuple[pb.GenerateCartImageResponse, dict[str, Any]]:
    """Order a cup and wait for it; the answer, and its trailing metadata."""
    call = service.stub.GenerateCartImage(order(CUP, wait=25, **fields), timeout=30, metadata=metadata)
    answer = await call
    return answer, dict(await call.trailing_metadata())


def parents(collector: FakeCollector) -> dict[str, str]:
    """Each span's name, with that of the span it is in."""
    names = {span.span_id: span.name for span in collector.spans}
    return {span.name: names.get(span.parent_span_id, span.parent_span_id.hex()) for span in collector.spans}


async def test_a_generation_is_one_trace_from_its_caller_through_every_call_out(
    collector: FakeCollector, gemini: FakeGemini, shop: FakeShop, frontend: FakeFrontend
) -> None:
    settings = {"image_models": ("gemini://",), "gemini_api_key": gemini.key, "pictures_url": frontend.url}
    async with serving(**collector.settings, **shop.settings, **settings) as service:
        answer, _ = await called(service, ("traceparent", PARENT))
    assert answer.status == "completed"
    model = gemini.requests[0].asked.model
    assert parents(collector) == {
        f"{METHOD}/GenerateCartImage": CALLER,
        "accept": f"{METHOD}/GenerateCartImage",
        "gather": "accept",
        "hipstershop.ProductCatalogService/GetProduct": "gather",
        "generation": f"{METHOD}/GenerateCartImage",
        "queued": "generation",
        "gathering": "generation",
        "GET": "gathering",
        "drawing": "generation",
        f"draw gemini/{model}": "drawing",
        f"generate_content {model}": f"draw gemini/{model}",
        "finishing": "generation",
        "storing": "generation",
        "put picture": "storing",
    }
    assert {span.trace_id.hex() for span in collector.spans} == {TRACE}
    assert {span.status.code for span in collector.spans} == {Status.STATUS_CODE_UNSET}
    assert collector.resource["service.name"] == "imagegenerationservice"


async def test_spans_say_what_kind_they_are_and_what_they_were_about(
    collector: FakeCollector, gemini: FakeGemini
) -> None:
    settings = {"image_models": ("gemini://",), "gemini_api_key": gemini.key}
    async with serving(**collector.settings, **settings, otel_service_name="pictures") as service:
        await called(service, user_id=SHOPPER)
        owner = service.running.app.core.keyring.owner(SHOPPER)
    assert collector.resource["service.name"] == "pictures"
    server = collector.named(f"{METHOD}/GenerateCartImage")
    assert server.kind == Span.SPAN_KIND_SERVER
    assert said(server.attributes) == {
        "rpc.system": "grpc",
        "rpc.service": METHOD,
        "rpc.method": "GenerateCartImage",
        "rpc.grpc.status_code": 0,
        "imagegen.status": "completed",
        "user.hash": owner,
    }
    model = gemini.requests[0].asked.model
    asked = collector.named(f"generate_content {model}")
    assert asked.kind == Span.SPAN_KIND_CLIENT
    about = said(asked.attributes)
    assert about["gen_ai.operation.name"] == "generate_content"
    assert about["gen_ai.provider.name"] == "gcp.gemini"
    assert (about["gen_ai.request.model"], about["gen_ai.output.type"]) == (model, "image")
    assert about["imagegen.outcome"] == "answered"
    assert about["gen_ai.response.model"]
    assert about["gen_ai.usage.input_tokens"] > 0
    assert about["gen_ai.usage.output_tokens"] > 0


class ListeningShop(FakeShop):
    """Remembers what each call carried."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: dict[str, dict[str, Any]] = {}

    async def _answer(self, method: str, request: bytes, context: Any) -> bytes:
        self.heard[method.rpartition("/")[2]] = dict(context.invocation_metadata())
        return await super()._answer(method, request, context)


@asynccontextmanager
async def listening_frontend(heard: list[Mapping[str, str]]) -> AsyncIterator[str]:
    async def answer(request: Request) -> Answer:
        heard.append(request.headers)
        return Answer(200, photo(), {"content-type": "image/jpeg"})

    async with HttpServer(answer) as server:
        yield server.url


@pytest.mark.parametrize("tracing", [True, False])
async def test_the_shops_services_are_told_where_they_are_in_the_trace(
    collector: FakeCollector, tracing: bool
) -> None:
    pictures: list[Mapping[str, str]] = []
    settings = collector.settings if tracing else {}
    said_by_caller = (("traceparent", PARENT), ("tracestate", "a=b"), ("baggage", "session=7"))
    async with ListeningShop().opened() as shop, listening_frontend(pictures) as url:
        assert isinstance(shop, ListeningShop)
        async with serving(**settings, **shop.settings, pictures_url=url) as service:
            request = pb.GenerateCartImageRequest(user_id=SHOPPER)
            answer = await service.stub.GenerateCartImage(request, timeout=10, metadata=said_by_caller)
            await service.ended(answer.generation_id)
    spans = {span.name: span.span_id.hex() for span in collector.spans}
    for method, service_name in (("GetCart", "CartService"), ("ListProducts", "ProductCatalogService")):
        place = spans.get(f"hipstershop.{service_name}/{method}", CALLER)
        assert (place == CALLER) is not tracing
        assert shop.heard[method]["traceparent"] == f"00-{TRACE}-{place}-01"
        assert (shop.heard[method]["tracestate"], shop.heard[method]["baggage"]) == ("a=b", "session=7")
    # The drawing begins from the record, which knows the trace and no more.
    assert {headers["traceparent"][:35] for headers in pictures} == {f"00-{TRACE}"}
    assert not any("baggage" in headers for headers in pictures)


async def test_foreign_hosts_are_told_nothing_of_the_trace(
    collector: FakeCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Mapping[str, str]] = []
    async with listening_frontend(heard) as url, serving(**collector.settings) as service:
        web = service.running.app.core.backgrounds
        fetcher = web._web._fetcher  # type: ignore[attr-defined]
        await fetcher.get(f"{url}/x.jpg", host="pictures.example")
    assert heard[0]["host"] == "pictures.example"
    assert not {"traceparent", "tracestate", "baggage"} & set(heard[0])


async def test_without_a_caller_that_traces_a_generation_begins_a_trace_of_its_own(
    collector: FakeCollector,
) -> None:
    async with serving(**collector.settings) as service:
        await called(service, ("traceparent", "garbage"))
    assert parents(collector)[f"{METHOD}/GenerateCartImage"] == ""
    [trace] = {span.trace_id for span in collector.spans}
    assert trace != bytes(16)


async def test_a_drawing_that_another_replica_takes_up_stays_in_the_trace_of_its_order(
    collector: FakeCollector, gemini: FakeGemini, tmp_path: Path
) -> None:
    gemini.mode = "hang"
    drawing = {"image_models": ("gemini://",), "gemini_api_key": gemini.key}
    shared = {"state_store": f"sqlite:///{tmp_path}/state", "object_storage": f"file://{tmp_path}/pictures"}
    async with serving(**drawing, **shared) as first:
        request = order(CUP, user_id=SHOPPER)
        answer = await first.stub.GenerateCartImage(request, timeout=5, metadata=(("traceparent", PARENT),))
        await first.at_stage(answer.generation_id, "gathering")
    async with serving(**collector.settings, **shared, lease_seconds=1) as second:
        assert (await second.ended(answer.generation_id)).status == "completed"
        owner = second.running.app.core.keyring.owner(SHOPPER)
    generation = collector.named("generation")
    assert (generation.trace_id.hex(), generation.parent_span_id.hex()) == (TRACE, CALLER)
    assert said(generation.attributes)["user.hash"] == owner


async def test_what_a_caller_does_not_want_traced_is_not(collector: FakeCollector) -> None:
    async with serving(**collector.settings) as service:
        await called(service, ("traceparent", PARENT[:-2] + "00"))
    assert collector.spans == []


async def test_errors_are_marked_where_they_happened_and_refusals_are_not(
    collector: FakeCollector, shop: FakeShop
) -> None:
    shop.modes["GetCart"] = grpc.StatusCode.UNAVAILABLE
    async with serving(**collector.settings, **shop.settings) as service:
        with pytest.raises(grpc.aio.AioRpcError):
            await service.generate(user_id=SHOPPER)
        await service.upload(b"no picture")
        await service.status("0" * 32)
    failed = {
        span.name: said(span.attributes)["error.type"]
        for span in collector.spans
        if span.status.code == Status.STATUS_CODE_ERROR
    }
    assert failed == {
        f"{METHOD}/GenerateCartImage": "UNAVAILABLE",
        "accept": "UNAVAILABLE",
        "gather": "UNAVAILABLE",
        "hipstershop.CartService/GetCart": "UNAVAILABLE",
    }
    server = said(collector.named(f"{METHOD}/GenerateCartImage").attributes)
    cart = said(collector.named("hipstershop.CartService/GetCart").attributes)
    assert (server["rpc.grpc.status_code"], cart["rpc.grpc.status_code"]) == (14, 14)
    upload = said(collector.named(f"{METHOD}/UploadBackground").attributes)
    assert (upload["imagegen.status"], upload["error.type"]) == ("failed", "UNSUPPORTED_FORMAT")


async def test_an_engine_that_fails_is_marked_and_so_is_its_generation(
    collector: FakeCollector, gemini: FakeGemini
) -> None:
    gemini.mode = "400-key"
    settings = {"image_models": ("gemini://",), "gemini_api_key": gemini.key}
    async with serving(**collector.settings, **settings) as service:
        answer, _ = await called(service)
    assert answer.error_reason == "KEY_REJECTED"
    failed = {span.name for span in collector.spans if span.status.code == Status.STATUS_CODE_ERROR}
    model = gemini.requests[0].asked.model
    assert failed == {"generation", "drawing", f"draw gemini/{model}"}
    assert said(collector.named("generation").attributes)["error.type"] == "KEY_REJECTED"


@asynccontextmanager
async def silent_collector() -> AsyncIterator[str]:
    """Takes connections and says nothing."""
    over = asyncio.Event()

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        over.set()
        server.close()


@pytest.mark.parametrize("kind", ["refuses", "is silent"])
async def test_a_collector_that_is_away_delays_neither_calls_nor_the_end(kind: str) -> None:
    async with contextlib.AsyncExitStack() as stack:
        address = "127.0.0.1:1"
        if kind == "is silent":
            address = await stack.enter_async_context(silent_collector())
        async with serving(enable_tracing=True, collector_service_addr=address) as service:
            await called(service)
            begin = time.monotonic()
            for _ in range(50):
                await service.status("0" * 32)
            assert time.monotonic() - begin < 1.5
            begin = time.monotonic()
        assert time.monotonic() - begin < 3
