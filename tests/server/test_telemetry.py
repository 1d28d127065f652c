"""Metrics and logs, as Prometheus and the reader of the logs get them; and what they must never hold."""

from __future__ import annotations

import io
import json
import logging
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import grpc
import httpx2
import pytest
from fakes.collector import FakeCollector
from fakes.gemini import FakeGemini
from fakes.process import environment, replica
from fakes.service import CUP, VASE, Service, base64_of, photo, serving
from fakes.shop import FakeShop
from prometheus_client.parser import text_string_to_metric_families
from test_tracing import METHOD, PARENT, TRACE, called

from imagegenservice.demo.shop import SHOPPER
from imagegenservice.logs import JsonFormatter

COUNTED = 'imagegen_answers_total{method="%s",reason="%s",status="%s"}'

Samples = Mapping[str, float]


@pytest.fixture
async def collector() -> AsyncIterator[FakeCollector]:
    async with FakeCollector().opened() as collector:
        yield collector


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What this process logs, as the service would write it."""
    own, written = logging.getLogger("imagegenservice"), io.StringIO()
    handler, level = logging.StreamHandler(written), own.level
    handler.setFormatter(JsonFormatter())
    own.addHandler(handler)
    own.setLevel(logging.DEBUG)
    yield written
    own.removeHandler(handler)
    own.setLevel(level)


def entries(lines: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


async def samples(service: Service) -> Samples:
    async with httpx2.AsyncClient() as client:
        page = (await client.get(f"{service.http}/metrics")).text
    found = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


@pytest.mark.parametrize(
    ("sent", "kept"), [("order-17.a_b", True), ("a b", False), ("x" * 65, False), ("", False)]
)
async def test_a_call_has_a_request_id_the_callers_own_if_it_is_one(
    service: Service, lines: io.StringIO, sent: str, kept: bool
) -> None:
    _, trailing = await called(service, ("x-request-id", sent))
    assert (trailing["x-request-id"] == sent) is kept
    assert len(trailing["x-request-id"]) in {len(sent), 16}
    logged = {line["message"]: line for line in entries(lines)}
    for message in ("a generation ended", "a call ended"):
        assert logged[message]["request_id"] == trailing["x-request-id"]


async def test_an_error_names_its_request_too(service: Service) -> None:
    method = service.channel.unary_unary(f"/{METHOD}/UploadBackground")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await method(b"\xff\xff", metadata=(("x-request-id", "r-1"),), timeout=5)
    trailing = dict(caught.value.trailing_metadata())
    assert trailing["x-request-id"] == "r-1"
    assert "grpc-status-details-bin" in trailing


async def test_log_lines_of_a_call_and_of_its_drawing_carry_trace_and_owner(
    collector: FakeCollector, lines: io.StringIO
) -> None:
    async with serving(**collector.settings) as service:
        answer, _ = await called(service, ("traceparent", PARENT), user_id=SHOPPER)
        owner = service.running.app.core.keyring.owner(SHOPPER)
    logged = {line["message"]: line for line in entries(lines)}
    for message in ("a generation ended", "a call ended"):
        assert (logged[message]["trace_id"], logged[message]["owner"]) == (TRACE, owner), message
    assert logged["a generation ended"]["generation"] == answer.generation_id[:8]
    assert (logged["a call ended"]["method"], logged["a call ended"]["code"]) == ("GenerateCartImage", "OK")
    assert logged["a call ended"]["status"] == "completed"


async def test_the_metrics_show_what_happened(service: Service) -> None:
    await service.drawn(CUP)
    await service.drawn(CUP)
    assert (await service.upload(b"no picture")).status == "failed"
    assert (await service.status("0" * 32)).status == "not_found"
    found = await samples(service)
    assert found[COUNTED % ("GenerateCartImage", "", "completed")] == 2
    assert found[COUNTED % ("UploadBackground", "UNSUPPORTED_FORMAT", "failed")] == 1
    assert found[COUNTED % ("GetImageGenerationStatus", "NOT_FOUND", "not_found")] == 1
    assert found['imagegen_rpc_seconds_count{code="OK",method="GenerateCartImage"}'] == 2
    assert found['imagegen_orders_total{how="queued"}'] == 1
    assert found['imagegen_orders_total{how="cached"}'] == 1
    assert found['imagegen_generations_total{reason="",status="completed"}'] == 1
    assert found['imagegen_engine_seconds_count{engine="compositor",outcome="ok"}'] == 1
    for stage in ("queued", "gathering", "drawing", "finishing"):
        assert found[f'imagegen_stage_seconds_count{{stage="{stage}"}}'] == 1
    assert found['imagegen_uploads_total{reason="UNSUPPORTED_FORMAT",status="failed"}'] == 1
    assert found['imagegen_cache_total{cache="pictures",result="hit"}'] >= 1
    assert found['imagegen_call_out_seconds_count{outcome="ok",to="object_storage"}'] >= 1
    assert found['imagegen_breaker_open{engine="compositor"}'] == 0
    assert found["process_start_time_seconds{}"] > 0
    assert any(name.startswith("imagegen_build_info{") for name in found)


async def test_the_metrics_show_the_queue_and_what_was_paid_for(
    gemini: FakeGemini, start: Callable[..., Awaitable[Service]]
) -> None:
    gemini.mode = "hang"
    service = await start(image_models=("gemini://?concurrency=1",), gemini_api_key=gemini.key)
    first, second = await service.generate(CUP), await service.generate(VASE)
    await gemini.arrived(1)
    busy = await samples(service)
    queue = {state: busy[f'imagegen_queue{{state="{state}"}}'] for state in ("held", "waiting", "drawing")}
    assert queue == {"held": 2, "waiting": 1, "drawing": 1}
    gemini.release.set()
    for answer in (first, second):
        assert (await service.ended(answer.generation_id)).status == "completed"
    found = await samples(service)
    engine = f"gemini/{gemini.requests[0].asked.model}"
    assert found[f'imagegen_paid_calls_total{{engine="{engine}",outcome="answered"}}'] == 2
    assert found['imagegen_queue{state="drawing"}'] == 0


async def test_the_metrics_show_which_neighbour_fails_and_which_engine_is_left_alone(
    shop: FakeShop, gemini: FakeGemini, start: Callable[..., Awaitable[Service]]
) -> None:
    gemini.mode = "503"
    settings = {"image_models": ("gemini://?retries=0",), "gemini_api_key": gemini.key}
    service = await start(**settings, **shop.settings, pictures_url="http://127.0.0.1:1")
    shop.modes["GetProduct"] = grpc.StatusCode.INTERNAL
    before = (await samples(service)).get(
        'imagegen_call_out_seconds_count{outcome="UNAVAILABLE",to="catalog"}', 0
    )
    with pytest.raises(grpc.aio.AioRpcError):
        await service.generate(CUP)
    found = await samples(service)
    assert found['imagegen_call_out_seconds_count{outcome="UNAVAILABLE",to="catalog"}'] == before + 1
    alone = await start(**settings)
    for seed in range(1, 6):
        await alone.generate(CUP, wait=10, seed=seed)
    engine = f"gemini/{gemini.requests[0].asked.model}"
    assert (await samples(alone))[f'imagegen_breaker_open{{engine="{engine}"}}'] == 1


def test_without_tracing_nothing_of_the_sdk_is_even_imported() -> None:
    script = (
        "import asyncio, sys\n"
        "from fakes.service import CUP, serving\n"
        "async def main():\n"
        "    async with serving() as service:\n"
        "        await service.drawn(CUP)\n"
        "asyncio.run(main())\n"
        "unwanted = ('opentelemetry.sdk', 'opentelemetry.exporter')\n"
        "print([name for name in sys.modules if name.startswith(unwanted)])"
    )
    surroundings = environment({})
    surroundings["PYTHONPATH"] += f":{Path(__file__).parents[1]}"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=surroundings,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


async def test_no_secret_and_nothing_personal_comes_out_anywhere(
    collector: FakeCollector, gemini: FakeGemini, tmp_path: Path
) -> None:
    gemini.key = "canary-key-0123456789"
    gemini.modes.extend(["503", "ok", "400-key", "text-only"])
    settings = {
        "ENABLE_TRACING": "1",
        "COLLECTOR_SERVICE_ADDR": collector.address,
        "LOG_LEVEL": "DEBUG",
        "IMAGE_MODELS": "gemini://,compositor://",
        "GEMINI_API_KEY": gemini.key,
        "GOOGLE_GEMINI_BASE_URL": gemini.url,
        "OWNER_HASH_KEY": "canary-hash-key",
        "STATE_STORE": "memory://",
        "OBJECT_STORAGE": "memory://",
        "DATA_DIR": str(tmp_path),
    }
    user, style, key = "canary-user\n\x1b[31m", "canary style of gold", "canary-idempotency"
    async with replica(**settings) as service:
        picture = await service.upload(photo(), user)
        orders = [
            await service.generate(CUP, wait=20, seed=seed, user_id=user, style_preference=style, **more)
            for seed, more in enumerate(
                [
                    {"idempotency_key": key},
                    {"background_image_url": picture.image_url},
                    {"background_image_url": "https://canary.example/?token=canary-token"},
                    {},
                ]
            )
        ]
        for odd in ("canary-id", "../canary", orders[0].generation_id):
            await service.status(odd, user)
        await service.upload(b"canary-bytes" * 100, user)
        async with httpx2.AsyncClient() as client:
            page = (await client.get(f"{service.http}/metrics")).text
        service.process.signal(signal.SIGTERM)
        assert await service.process.ended() == 0
    assert {order.status for order in orders} == {"completed", "failed"}
    log = "\n".join(map(json.dumps, service.process.lines)) + service.process.errors.decode()
    traces = "".join(map(str, collector.requests))
    assert "a generation ended" in log
    assert "generate_content" in traces
    canaries = ["canary", base64_of(b"canary-bytes" * 2)[:24], "https://", "/9j/4AAQ"]
    canaries += [order.generation_id for order in orders if order.generation_id]
    canaries += [picture.image_url.rpartition("/")[2]]
    for canary in canaries:
        for name, text in (("log", log), ("metrics", page), ("traces", traces)):
            assert canary not in text, (canary, name, text[max(0, text.find(canary) - 300) :][:600])
