"""A fake Gemini on the wire, and the engine on each of its two APIs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from fakes.commission import TestCommission, brief_of
from fakes.gemini import FakeGemini, service_account
from gemini_orders import KEY, Opener, picture

from imagegenservice.adapters.image_models.gemini import Gemini
from imagegenservice.ports import Surroundings

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A service account's file, for a token endpoint to be named."""
    return service_account(tmp_path_factory.mktemp("account"))


@pytest.fixture
async def fake(monkeypatch: pytest.MonkeyPatch, account: Path, tmp_path: Path) -> AsyncIterator[FakeGemini]:
    async with FakeGemini(key=KEY, ledger=tmp_path / "ledger") as server:
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", server.url)
        monkeypatch.setenv("GOOGLE_VERTEX_BASE_URL", server.url)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(server.credentials(account)))
        yield server


@pytest.fixture(params=["gemini", "vertex"])
def api(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def opened(surroundings: Surroundings) -> Opener:
    return Opener(surroundings)


@pytest.fixture
async def model(fake: FakeGemini, api: str, opened: Opener) -> AsyncIterator[Gemini]:
    async with opened("gemini://?retries=1" + ("&vertex=true" if api == "vertex" else "")) as engine:
        yield engine


@pytest.fixture
async def gemini(fake: FakeGemini, opened: Opener) -> AsyncIterator[Gemini]:
    async with opened("gemini://") as engine:
        yield engine


@pytest.fixture
async def order() -> TestCommission:
    return TestCommission(brief_of(["Blue mug", "Red sock"]), [picture("blue"), picture("red")])


@pytest.fixture
def gemini_process() -> Iterator[str]:
    """The address of a fake Gemini in a process of its own, that answers with about one megabyte."""
    command = [sys.executable, "-m", "tests.fakes.gemini", "--key", KEY, "--mode", "ok:noise"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()
