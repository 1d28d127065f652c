"""The service and what it needs around it, each in a process of its own."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import httpx2
from fakes.process import ROOT, Replica, environment, replica

from .processes import CORES, on_cores

KEY = "the-key-of-the-fake"
SETTINGS = {"PICTURE_SIZE": "1024", "LEASE_SECONDS": "15", "LOG_LEVEL": "INFO"}
"""The tests' processes draw small pictures and lose their leases soon; these are as they are served."""
SETTLED = 1.5
"""Seconds after which a service that has just come up is idle: its first child is there."""


def pid_of(service: Replica) -> int:
    """The service's process."""
    return service.process.process.pid


@asynccontextmanager
async def served(settings: Mapping[str, str], *, one_core: bool = False) -> AsyncIterator[Replica]:
    """
    The service, by default on SQLite and files in a folder of its own.

    With *one_core* it and its children have one processor, and nobody else here has it.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        chosen = {"DATA_DIR": folder, **SETTINGS, **settings}
        async with AsyncExitStack() as stack:
            if not one_core:
                yield await stack.enter_async_context(replica(**chosen))
                return
            with on_cores(CORES[:1]):
                service = await stack.enter_async_context(replica(**{"CPU_WORKERS": "1", **chosen}))
            with on_cores(CORES[1:] or CORES):
                yield service


@asynccontextmanager
async def helper(module: str, *arguments: str, cores: Sequence[int] = CORES[-1:]) -> AsyncIterator[str]:
    """A module of this package as a process; gives the first line that it prints."""
    with on_cores(cores):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", f"benchmarks.{module}", *arguments),
            env=environment({"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
    try:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), 60)).decode().strip()
        if not line:
            raise RuntimeError(f"benchmarks.{module} did not start")
        yield line
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


class Engine:
    """A fake Gemini (engine.py) and how the service reaches it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def settings(self, concurrency: int = 8) -> dict[str, str]:
        """For the service."""
        return {
            "IMAGE_MODELS": f"gemini://?concurrency={concurrency}",
            "GEMINI_API_KEY": KEY,
            "GOOGLE_GEMINI_BASE_URL": self.url,
        }

    async def answered(self) -> int:
        """How many pictures it gave."""
        async with httpx2.AsyncClient() as client:
            return int((await client.get(f"{self.url}/_answered")).text)

    async def release(self) -> None:
        """Let it answer what waits."""
        async with httpx2.AsyncClient() as client:
            await client.post(f"{self.url}/_release")


@asynccontextmanager
async def engine(*arguments: str) -> AsyncIterator[Engine]:
    """See engine.py for the arguments."""
    async with helper("engine", *arguments) as url:
        yield Engine(url)


@asynccontextmanager
async def wordy_shop() -> AsyncIterator[dict[str, str]]:
    """A shop whose products have no pictures; gives the service's settings for it."""
    async with helper("shop") as address:
        yield {"CART_SERVICE_ADDR": address, "PRODUCT_CATALOG_SERVICE_ADDR": address}
