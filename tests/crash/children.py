"""The driver's side of the nursery: real service processes that can be killed and stopped."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fakes.midwife import ONE_THREAD
from fakes.process import environment
from fakes.service import Client, connected

from imagegenservice.pb import imagegen_pb2_grpc as pb_grpc

HERE = Path(__file__).parent
START_WITHIN = 30.0


class Child:
    """One service process, as its log and the nursery tell of it."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.pid = 0
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def send(self, number: signal.Signals) -> None:
        if not self.ended.done():
            os.kill(self.pid, number)

    async def end(self, number: signal.Signals = signal.SIGKILL) -> int:
        """Its exit code, negative for a signal's."""
        self.send(number)
        return await self.dead()

    async def dead(self) -> int:
        async with asyncio.timeout(START_WITHIN):
            return await asyncio.shield(self.ended)

    async def stopped(self) -> None:
        """Wait until it stands still."""
        async with asyncio.timeout(START_WITHIN):
            while self._state() != "T":  # noqa: ASYNC110 - the kernel sends no event
                await asyncio.sleep(0.01)

    def _state(self) -> str:
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]

    def says(self, message: str) -> dict[str, Any] | None:
        """The line of its log with this message."""
        text = self.log.read_text() if self.log.exists() else ""
        whole = (line for line in text.splitlines() if line.startswith("{") and line.endswith("}"))
        return next((line for line in map(json.loads, whole) if line.get("message") == message), None)

    async def logged(self, message: str) -> dict[str, Any]:
        async with asyncio.timeout(START_WITHIN):
            while (line := self.says(message)) is None:
                assert not self.ended.done(), self.log.read_text()[-2000:]
                await asyncio.sleep(0.01)
            return line


class Nursery:
    """Starts them."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._unborn: dict[int, tuple[Child, asyncio.Event]] = {}
        self._living: dict[int, Child] = {}
        self._number = 0
        self._reading = asyncio.create_task(self._read())

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[Nursery]:
        paths = {"PYTHONPATH": f"{HERE.parents[1]}:{HERE.parent}:{HERE}"}
        variables = environment({}) | paths | ONE_THREAD
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(HERE / "nursery.py")),
            env=variables,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        nursery = cls(process)
        try:
            yield nursery
        finally:
            assert process.stdin is not None
            process.stdin.close()
            await process.wait()
            await nursery._reading

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            event = json.loads(line)
            if "started" in event:
                child, born = self._unborn.pop(event["number"])
                child.pid = event["started"]
                self._living[child.pid] = child
                born.set()
            elif "ended" in event:
                self._living.pop(event["ended"]).ended.set_result(event["status"])

    @asynccontextmanager
    async def child(self, folder: Path, settings: dict[str, str], bug: str = "") -> AsyncIterator[Child]:
        """A service process for the time of the block; it need not come up."""
        self._number += 1
        child, born = Child(folder / f"log-{self._number}"), asyncio.Event()
        self._unborn[self._number] = child, born
        order = {"number": self._number, "environment": environment(settings), "folder": str(folder)}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order | {"log": str(child.log), "bug": bug}).encode() + b"\n")
        try:
            async with asyncio.timeout(START_WITHIN):
                await born.wait()
            yield child
        finally:
            if child.pid:
                await child.end()


@asynccontextmanager
async def client_of(child: Child) -> AsyncIterator[Client]:
    """A client of a child that has come up."""
    ports = await child.logged("serving")
    async with connected(ports["grpc_port"]) as channel:
        yield Client(ports["http_port"], channel, pb_grpc.ImageGenerationServiceStub(channel))
