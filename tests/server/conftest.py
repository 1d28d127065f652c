"""The service, its neighbours, and a way to start more of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from fakes.frontend import FakeFrontend
from fakes.gemini import FakeGemini
from fakes.service import Service, Start, serving
from fakes.shop import FakeShop


@pytest.fixture
async def start(quick_births: None) -> AsyncIterator[Start]:
    """start(**settings) opens another replica, which ends with the test."""
    async with AsyncExitStack() as stack:

        async def start(**settings: object) -> Service:
            return await stack.enter_async_context(serving(**settings))

        yield start


@pytest.fixture
async def service(start: Start) -> Service:
    """A replica that draws offline, with the sample shop, and keeps everything in memory."""
    return await start()


@pytest.fixture
async def shop() -> AsyncIterator[FakeShop]:
    async with FakeShop().opened() as shop:
        yield shop


@pytest.fixture
async def frontend() -> AsyncIterator[FakeFrontend]:
    async with FakeFrontend() as frontend:
        yield frontend


@pytest.fixture
async def gemini(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeGemini]:
    """A Gemini on the wire, to which the SDK's own variable leads."""
    async with FakeGemini() as fake:
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", fake.url)
        yield fake


@pytest.fixture
async def painter(gemini: FakeGemini, start: Start) -> Service:
    """A replica that asks Gemini, and nobody else."""
    return await start(image_models=("gemini://",), gemini_api_key=gemini.key)
