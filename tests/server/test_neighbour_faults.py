"""Each neighbour away, slow, or lying on the wire: the documented answer, in time, and only there."""

from __future__ import annotations

import asyncio
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import grpc
import httpx2
import pytest
from fakes.frontend import FakeFrontend
from fakes.gemini import FakeGemini
from fakes.patience import until
from fakes.proxy import Proxy
from fakes.service import CARAFE, CUP, VASE, Service, Start, details, photo
from fakes.shop import FakeShop
from prometheus_client.parser import text_string_to_metric_families

from imagegenservice.demo.shop import SHOPPER
from imagegenservice.neighbours import FAILURES

FAULTS = ("down", "hang", "reset", "truncated", "garbled")
AT_ONCE = 0.8
"""Seconds; less than any time for which a neighbour is waited for here."""


@pytest.fixture
async def lines() -> AsyncIterator[Any]:
    """await lines(address) puts a proxy before a neighbour."""
    async with AsyncExitStack() as stack:

        async def before(address: str) -> Proxy:
            return await stack.enter_async_context(Proxy(address.removeprefix("http://")))

        yield before


async def refusal(call: Awaitable[object]) -> tuple[float, float]:
    """Seconds until the answer was UNAVAILABLE, and those after which to come back."""
    begin = time.monotonic()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE, caught.value
    reason, delay = details(caught.value)
    assert reason == "UNAVAILABLE"
    assert delay is not None
    assert 0 < delay <= 5
    return time.monotonic() - begin, delay


async def refusals(call: Callable[[], Awaitable[object]]) -> list[float]:
    """The same of as many calls at once as it takes until a neighbour counts as away."""
    return [took for took, _ in await asyncio.gather(*(refusal(call()) for _ in range(FAILURES)))]


async def page(service: Service, path: str) -> httpx2.Response:
    async with httpx2.AsyncClient() as client:
        return await client.get(f"{service.http}{path}")


async def neighbours(service: Service) -> dict[str, str]:
    """Who is away, as /readyz says; and that we are ready all the same, and the metrics say so too."""
    ready = await page(service, "/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    assert await service.health() == "SERVING"
    states: dict[str, str] = ready.json()["neighbours"]
    families = {
        family.name: family
        for family in text_string_to_metric_families((await page(service, "/metrics")).text)
    }
    away = {
        sample.labels["neighbour"]: sample.value for sample in families["imagegen_neighbour_away"].samples
    }
    assert away == {name: float(state == "away") for name, state in states.items()}
    return states


async def back(service: Service, name: str, call: Any) -> None:
    """The next call after the pause is made, and all is well again."""
    for _ in range(40):
        try:
            await call()
            break
        except grpc.aio.AioRpcError as exc:
            _, delay = details(exc)
            await until_passed(delay or 0.2)
    assert (await neighbours(service))[name] == "ok"


async def until_passed(seconds: float) -> None:
    end = time.monotonic() + min(seconds, 3.0)
    await until(lambda: time.monotonic() >= end)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("which", ["cart", "catalog"])
async def test_a_shop_that_is_away_is_answered_in_time_then_at_once_and_comes_back(
    start: Start, shop: FakeShop, frontend: FakeFrontend, lines: Any, which: str, fault: str
) -> None:
    line = await lines(shop.address)
    setting = {"cart": "cart_service_addr", "catalog": "product_catalog_service_addr"}[which]
    service = await start(pictures_url=frontend.url, **{**shop.settings, setting: line.address})
    assert (await service.generate(user_id=SHOPPER)).status == "processing"
    await line.set(fault)
    others = ["P" + str(number) for number in range(9)]

    def call() -> Awaitable[object]:
        return service.generate(user_id=SHOPPER) if which == "cart" else service.generate(others.pop())

    assert max(await refusals(call)) < 6
    assert (await neighbours(service))[which] == "away"
    took, delay = await refusal(call())
    assert took < AT_ONCE
    assert delay <= 3
    assert (await service.upload(photo())).status == "success"
    await line.set("ok")
    await back(service, which, call)


async def test_a_slow_shop_is_waited_for(start: Start, shop: FakeShop, lines: Any) -> None:
    line = await lines(shop.address)
    service = await start(**{**shop.settings, "cart_service_addr": line.address})
    await line.set("slow")
    assert (await service.generate(user_id=SHOPPER)).status == "processing"


@pytest.mark.parametrize("fault", ["down", "reset", "truncated", "garbled"])
async def test_a_frontend_that_is_away_fails_the_drawing_and_is_then_left_alone(
    start: Start, shop: FakeShop, frontend: FakeFrontend, lines: Any, fault: str
) -> None:
    line = await lines(frontend.url)
    service = await start(pictures_url=f"http://{line.address}", **shop.settings)
    await line.set(fault)
    answers = await asyncio.gather(*(service.generate(CUP, seed=seed, wait=20) for seed in range(2)))
    assert {(answer.status, answer.error_reason) for answer in answers} == {
        ("failed", "PICTURES_UNAVAILABLE")
    }
    assert (await neighbours(service))["pictures"] == "away"
    await line.set("ok")
    await until_passed(3)
    assert (await service.drawn(CUP, seed=9)).status == "completed"
    assert (await neighbours(service))["pictures"] == "ok"


async def test_a_frontend_that_answers_500_for_one_picture_is_not_away(
    start: Start, shop: FakeShop, frontend: FakeFrontend
) -> None:
    service = await start(pictures_url=frontend.url, **shop.settings)
    frontend.mode = "500"
    for seed in range(3):
        assert (await service.generate(CUP, seed=seed, wait=20)).error_reason == "PICTURES_UNAVAILABLE"
    assert (await neighbours(service))["pictures"] == "ok"
    frontend.mode = "ok"
    assert (await service.drawn(CUP, VASE, CARAFE)).status == "completed"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("down", "ENGINE_UNAVAILABLE"),
        ("hang", "OUTCOME_UNKNOWN"),
        ("reset", "OUTCOME_UNKNOWN"),
        ("truncated", "OUTCOME_UNKNOWN"),
        ("garbled", "OUTCOME_UNKNOWN"),
    ],
)
async def test_without_a_line_to_gemini_the_compositor_draws_and_the_answer_says_why(
    start: Start,
    gemini: FakeGemini,
    lines: Any,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
    reason: str,
) -> None:
    line = await lines(gemini.url)
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", f"http://{line.address}")
    models = ("gemini://?timeout=3&retries=1", "compositor://")
    service = await start(image_models=models, gemini_api_key=gemini.key)
    await line.set(fault)
    answer = await service.drawn(CUP)
    assert (answer.engine, [failure.reason for failure in answer.engine_failures]) == ("compositor", [reason])
    await asyncio.gather(*(service.drawn(CUP, seed=seed) for seed in range(FAILURES)))
    assert (await neighbours(service))["gemini/gemini-nano-banana-2.1"] == "away"
    begin = time.monotonic()
    assert (await service.drawn(CUP, seed=77)).engine_failures[0].reason == "ENGINE_UNAVAILABLE"
    assert time.monotonic() - begin < 3


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_bucket_that_is_away_is_answered_in_time_then_at_once_and_comes_back(
    start: Start, gcs_server: str, lines: Any, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    bucket = f"b{uuid4().hex}"
    made = urllib.request.Request(
        f"{gcs_server}/storage/v1/b?project=test-project",
        data=f'{{"name": "{bucket}"}}'.encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(made, timeout=10):  # noqa: ASYNC210 - before anything runs
        pass
    line = await lines(gcs_server)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://{line.address}")
    service = await start(object_storage=f"gs://{bucket}?timeout=1")
    colours = iter(range(250))

    def call() -> Awaitable[object]:
        return service.upload(photo(colour=(next(colours), 9, 9)))

    await call()
    await line.set(fault)
    assert max(await refusals(call)) < 5
    assert (await neighbours(service))["object_storage"] == "away"
    took, _ = await refusal(call())
    assert took < AT_ONCE
    assert (await service.generate(CUP)).status == "processing"
    await line.set("ok")
    await back(service, "object_storage", call)


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_firestore_that_is_away_is_answered_in_time_then_at_once_and_comes_back(
    start: Start, firestore_server: str, lines: Any, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    line = await lines(firestore_server)
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", line.address)
    store = f"firestore://test-project?timeout=2&prefix=t{uuid4().hex}"
    service = await start(state_store=store)
    await back(service, "state_store", lambda: service.generate(CUP))  # a cold emulator is slow
    await line.set(fault)
    assert max(await refusals(lambda: service.generate(CUP))) < 5
    assert (await neighbours(service))["state_store"] == "away"
    await line.set("ok")
    await back(service, "state_store", lambda: service.generate(CUP, wait=20))
    assert (await service.drawn(VASE)).status == "completed"


async def test_the_service_starts_while_its_state_store_is_away_and_recovers_by_itself(
    start: Start,
    firestore_server: str,
    lines: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    line = await lines(firestore_server)
    await line.set("down")
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", line.address)
    store = f"firestore://test-project?timeout=1&prefix=t{uuid4().hex}"
    service = await start(state_store=store, owner_hash_key="", lease_seconds=1)
    assert sum("the state store is away" in record.message for record in caplog.records) == 1
    for user in ("ann", ""):
        took, _ = await refusal(service.generate(CUP, user_id=user))
        assert took < 5
    await refusal(service.status("0" * 32))
    await line.set("ok")
    await back(service, "state_store", lambda: service.generate(CUP, user_id="ann", wait=20))
    assert (await service.drawn(CUP, user_id="ann")).status == "completed"
