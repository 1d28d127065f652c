"""The process from its first line to its exit code."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import httpx2
import pytest
from fakes.gemini import FakeGemini
from fakes.process import launched, replica
from fakes.service import CUP
from grpc_health.v1 import health_pb2, health_pb2_grpc

from imagegenservice.pb import imagegen_pb2 as pb

WITHIN = 20.0


@pytest.fixture
async def gemini() -> AsyncIterator[FakeGemini]:
    async with FakeGemini() as fake:
        yield fake


def paid(gemini: FakeGemini, folder: Path, **more: str) -> dict[str, str]:
    return {
        "DATA_DIR": str(folder),
        "IMAGE_MODELS": "gemini://",
        "GEMINI_API_KEY": gemini.key,
        "GOOGLE_GEMINI_BASE_URL": gemini.url,
        **more,
    }


async def test_sigterm_says_not_serving_first_then_finishes_the_drawing_then_ends(
    gemini: FakeGemini, tmp_path: Path
) -> None:
    gemini.mode = "hang"
    async with replica(**paid(gemini, tmp_path, DRAIN_DELAY="1")) as service:
        health = health_pb2_grpc.HealthStub(service.channel).Watch(
            health_pb2.HealthCheckRequest(), timeout=30
        )
        assert (await health.read()).status == health_pb2.HealthCheckResponse.SERVING
        waiting = asyncio.create_task(service.generate(CUP, wait=25))
        await gemini.arrived(1)
        service.process.signal(signal.SIGTERM)
        assert (await health.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        async with httpx2.AsyncClient() as client:
            assert (await client.get(f"{service.http}/readyz")).status_code == 503
            assert (await client.get(f"{service.http}/healthz")).status_code == 200
        health.cancel()
        gemini.release.set()
        answer = await waiting
        assert answer.status == "completed"
        async with asyncio.timeout(WITHIN):
            assert await service.process.ended() == 0
        assert service.process.errors == b""
        said = [line["message"] for line in service.process.lines]
        assert said.index("draining") < said.index("drained")


async def test_what_takes_longer_than_the_grace_is_handed_back_and_ends_elsewhere(
    gemini: FakeGemini, tmp_path: Path
) -> None:
    settings = paid(gemini, tmp_path, IMAGE_MODELS="gemini://,compositor://", DRAIN_TIMEOUT="0.5")
    gemini.mode = "hang"
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(replica(**settings))
        drawing = await first.generate(CUP)
        await gemini.arrived(1)
        request = pb.WatchImageGenerationRequest(generation_id=drawing.generation_id)
        watching = first.stub.WatchImageGeneration(request, timeout=60)
        await anext(aiter(watching))  # the server has taken the call
        first.process.signal(signal.SIGTERM)
        async with asyncio.timeout(WITHIN):
            assert await first.process.ended() == 0
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async for _ in watching:
                pass
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        second = await stack.enter_async_context(replica(**settings))
        end = await second.ended(drawing.generation_id)
        assert (end.status, end.engine) == ("completed", "compositor")
        assert len(gemini.requests) == 1


async def test_an_idle_process_ends_at_once(tmp_path: Path) -> None:
    async with replica(DATA_DIR=str(tmp_path)) as service:
        service.process.signal(signal.SIGINT)
        async with asyncio.timeout(5):
            assert await service.process.ended() == 0
        assert service.process.errors == b""


async def test_it_names_the_free_ports_it_took_in_one_line_of_json_each(tmp_path: Path) -> None:
    async with replica(DATA_DIR=str(tmp_path)) as service:
        serving = await service.process.logged("serving")
        assert serving["grpc_port"] > 0
        assert serving["http_port"] == service.http_port
        assert await service.health() == "SERVING"
        for line in service.process.lines:
            assert {"severity", "time", "message", "logger"} <= line.keys()


@pytest.mark.parametrize(
    ("setting", "value", "named"),
    [
        ("PORT", "eighty", "PORT"),
        ("LOG_LEVEL", "LOUD", "LOG_LEVEL"),
        ("QUEUE_SIZE", "0", "QUEUE_SIZE"),
        ("IMAGE_MODELS", "dalle://", "compositor, gemini"),
        ("IMAGE_MODELS", "compositor://?colour=1", "concurrency"),
        ("IMAGE_MODELS", "gemini://", "GEMINI_API_KEY"),
        ("STATE_STORE", "mysql://x", "firestore, memory, sqlite"),
        ("STATE_STORE", "sqlite://user:hunter2@host/x", "credentials"),
        ("OBJECT_STORAGE", "file:///proc/none", "/proc/none"),
        ("PICTURES_URL", "frontend:80", "PICTURES_URL"),
        ("BACKGROUND_URL_ALLOWLIST", "https://*.example.com/", "allow-list"),
    ],
)
async def test_a_wrong_setting_is_one_line_and_exit_code_2(
    tmp_path: Path, setting: str, value: str, named: str
) -> None:
    settings = {"DATA_DIR": str(tmp_path), "PRODUCT_CATALOG_SERVICE_ADDR": "127.0.0.1:1", setting: value}
    async with launched(**settings) as process:
        async with asyncio.timeout(WITHIN):
            assert await process.ended() == 2
        [line] = process.errors.decode().splitlines()
        assert line.startswith("imagegenservice: ")
        assert named in line
        assert "hunter2" not in line


@pytest.mark.parametrize("name", ["PORT", "HTTP_PORT"])
async def test_a_port_that_is_taken_is_one_line_and_exit_code_2(tmp_path: Path, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with launched(DATA_DIR=str(tmp_path), **{name: str(port)}) as process:
            async with asyncio.timeout(WITHIN):
                assert await process.ended() == 2
            [line] = process.errors.decode().splitlines()[-1:]
            assert str(port) in line
            assert "Traceback" not in process.errors.decode()


async def test_an_unknown_command_says_how_it_is_used(tmp_path: Path) -> None:
    async with launched("paint", DATA_DIR=str(tmp_path)) as process:
        async with asyncio.timeout(WITHIN):
            assert await process.ended() != 0
        assert process.errors.decode().startswith("usage: ")


async def test_the_log_of_a_whole_life_holds_no_secret(gemini: FakeGemini, tmp_path: Path) -> None:
    gemini.key = "SECRET-GEMINI-KEY"
    settings = paid(gemini, tmp_path, LOG_LEVEL="DEBUG", OWNER_HASH_KEY="SECRET-HASH-KEY")
    async with replica(**settings) as service:
        gemini.modes.append("400-key")
        await service.generate(CUP, wait=10, user_id="SECRET-COOKIE", style_preference="SECRET-STYLE")
        await service.drawn(CUP, user_id="SECRET-COOKIE", idempotency_key="SECRET-IDEMPOTENCY")
        service.process.signal(signal.SIGTERM)
        async with asyncio.timeout(WITHIN):
            assert await service.process.ended() == 0
        logged = json.dumps(service.process.lines)
        assert "drained" in logged
        assert "SECRET" not in logged.upper()
        assert b"SECRET" not in service.process.errors
