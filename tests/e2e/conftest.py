"""Processes that share their stores."""

from __future__ import annotations

import urllib.request
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import uuid4

import pytest
from fakes.gemini import FakeGemini
from fakes.process import Launch, Replica, replica


@pytest.fixture
async def launch(tmp_path: Path) -> AsyncIterator[Launch]:
    """launch(**environment) starts a process on the SQLite file and the pictures of this test."""
    async with AsyncExitStack() as stack:

        async def launch(**settings: str) -> Replica:
            shared = {"DATA_DIR": str(tmp_path), **settings}
            return await stack.enter_async_context(replica(**shared))

        yield launch


@pytest.fixture
async def gemini(tmp_path: Path) -> AsyncIterator[FakeGemini]:
    async with FakeGemini(ledger=tmp_path / "bill") as fake:
        yield fake


@pytest.fixture
def paid(gemini: FakeGemini) -> dict[str, str]:
    """The settings of a process that draws with this Gemini, and with the compositor behind it."""
    return {
        "IMAGE_MODELS": "gemini://,compositor://",
        "GEMINI_API_KEY": gemini.key,
        "GOOGLE_GEMINI_BASE_URL": gemini.url,
    }


@pytest.fixture(params=["sqlite and files", "firestore and gcs"])
def stores(request: pytest.FixtureRequest) -> dict[str, str]:
    """The settings of replicas that share their stores; both empty."""
    if request.param == "sqlite and files":
        return {}
    firestore, gcs = (request.getfixturevalue(name) for name in ("firestore_server", "gcs_server"))
    bucket = f"b{uuid4().hex}"
    made = urllib.request.Request(
        f"{gcs}/storage/v1/b?project=test-project",
        data=f'{{"name": "{bucket}"}}'.encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(made, timeout=10):
        pass
    return {
        "STATE_STORE": f"firestore://test-project?prefix=t{uuid4().hex}",
        "FIRESTORE_EMULATOR_HOST": firestore,
        "GCS_BUCKET": bucket,
        "STORAGE_EMULATOR_HOST": gcs,
    }
