"""The real service as a process of its own, to be killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from imagegenservice.pb import imagegen_pb2_grpc as pb_grpc

from .service import Client, connected

ROOT = Path(__file__).parents[2]
START_WITHIN = 30.0

OFFLINE = {
    "HOST": "127.0.0.1",
    "PORT": "0",
    "HTTP_PORT": "0",
    "CART_SERVICE_ADDR": "demo://",
    "PRODUCT_CATALOG_SERVICE_ADDR": "demo://",
    "IMAGE_MODELS": "compositor://",
    "PICTURE_SIZE": "256",
    "LEASE_SECONDS": "2",
    "OWNER_HASH_KEY": "a key for tests",
}


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's own surroundings, without the settings it may have of the service."""
    kept = {"PATH", "HOME", "LANG", "TMPDIR"}
    base = {name: value for name, value in os.environ.items() if name in kept}
    return {**base, "PYTHONPATH": str(ROOT), **OFFLINE, **settings}


class Process:
    """`lines` is what it logged."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []
        self.errors = b""
        self._logged = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            async with self._logged:
                self.lines.append(json.loads(line))
                self._logged.notify_all()

    async def logged(self, message: str) -> dict[str, Any]:
        """Wait until it has logged this."""
        async with asyncio.timeout(START_WITHIN), self._logged:
            await self._logged.wait_for(lambda: any(line["message"] == message for line in self.lines))
        return next(line for line in self.lines if line["message"] == message)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ended(self) -> int:
        """Its exit code."""
        assert self.process.stderr is not None
        self.errors = await self.process.stderr.read()
        await self._reading
        return await self.process.wait()

    async def kill(self) -> None:
        """As the kernel does when memory is short."""
        self.process.kill()
        await self.ended()

    async def leave(self) -> None:
        """At the end of a test, however it stands."""
        if self.process.returncode is None:
            self.process.kill()
        await self.ended()


@asynccontextmanager
async def launched(*arguments: str, **settings: str) -> AsyncIterator[Process]:
    """python -m imagegenservice with these settings; it need not come up."""
    process = Process(
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "imagegenservice", *arguments),
            env=environment(settings),
            cwd=settings.get("DATA_DIR", "/"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    )
    try:
        yield process
    finally:
        await process.leave()


class Replica(Client):
    """A process that serves, and a client of it."""

    process: Process


Launch = Callable[..., Awaitable[Replica]]
"""What the fixture `launch` is."""


@asynccontextmanager
async def replica(**settings: str) -> AsyncIterator[Replica]:
    async with launched(**settings) as process:
        serving = asyncio.create_task(process.logged("serving"))
        ended = asyncio.create_task(process.process.wait())
        await asyncio.wait({serving, ended}, return_when=asyncio.FIRST_COMPLETED)
        if not serving.done():
            serving.cancel()
            await process.ended()
            raise AssertionError(process.errors.decode())
        ended.cancel()
        ports = await serving
        async with connected(ports["grpc_port"]) as channel:
            client = Replica(ports["http_port"], channel, pb_grpc.ImageGenerationServiceStub(channel))
            client.process = process
            yield client
