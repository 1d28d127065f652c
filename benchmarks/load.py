"""Many equal calls at once, from h2load where it is installed, else from several Python processes."""

from __future__ import annotations

import asyncio
import re
import shutil
import struct
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import grpc.aio

METHOD = "/hipstershop.ImageGenerationService/GetImageGenerationStatus"
CONNECTIONS, STREAMS = 4, 25
"""Of h2load: 100 calls are under way at any time."""
PROCESSES = 3
_FRAME = 5
"""Bytes before each gRPC message."""

CLIENT = "h2load" if shutil.which("h2load") else f"{PROCESSES} Python clients"


@dataclass(frozen=True)
class Load:
    """What came of it: calls a second, and the bytes of each answer's message."""

    rate: float
    size: float


async def load(port: int, request: bytes, calls: int) -> Load:
    """Make so many status calls. Raises RuntimeError when one of them did not come back with a message."""
    if shutil.which("h2load"):
        return await _h2load(port, request, calls)
    each = calls // PROCESSES
    runs = await asyncio.gather(*(_client(port, request, each) for _ in range(PROCESSES)))
    return Load(sum(run.rate for run in runs), sum(run.size for run in runs) / PROCESSES)


async def _h2load(port: int, request: bytes, calls: int) -> Load:
    with tempfile.TemporaryDirectory() as folder:
        body = Path(folder) / "request"
        body.write_bytes(b"\0" + struct.pack(">I", len(request)) + request)
        said = await _output(
            *("h2load", "-n", str(calls), "-c", str(CONNECTIONS), "-m", str(STREAMS), "-t", "1"),
            *("-d", str(body), "-H", "content-type: application/grpc", "-H", "te: trailers"),
            f"http://127.0.0.1:{port}{METHOD}",
        )
    rate, done, data = (
        re.search(pattern, said)
        for pattern in (r"finished in .*?, ([\d.]+) req/s", r"(\d+) succeeded, 0 failed", r"\((\d+)\) data")
    )
    if not (rate and done and data) or int(done[1]) != calls:
        raise RuntimeError(f"h2load says:\n{said}")
    return Load(float(rate[1]), int(data[1]) / calls - _FRAME)


async def _client(port: int, request: bytes, calls: int) -> Load:
    said = await _output(sys.executable, "-m", "benchmarks.load", str(port), request.hex(), str(calls))
    rate, size = map(float, said.split())
    return Load(rate, size)


async def _output(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}")
    return said.decode()


async def main() -> None:
    """Be one of the Python clients: python -m benchmarks.load PORT HEX CALLS."""
    port, request, calls = sys.argv[1], bytes.fromhex(sys.argv[2]), int(sys.argv[3])
    numbers = iter(range(calls))
    sizes = set()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(METHOD)

        async def caller() -> None:
            for _ in numbers:
                sizes.add(len(await call(request, timeout=30)))

        await call(request, timeout=30, wait_for_ready=True)
        begin = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(STREAMS)))
        seconds = time.perf_counter() - begin
    print(calls / seconds, sum(sizes) / len(sizes))


if __name__ == "__main__":
    asyncio.run(main())
