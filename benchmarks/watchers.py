"""Row 5: many who watch."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import grpc.aio
from fakes.process import Replica
from fakes.service import CUP, check_revisions

from imagegenservice.pb import imagegen_pb2 as pb
from imagegenservice.pb import imagegen_pb2_grpc as pb_grpc

from .processes import memory, watched
from .started import SETTLED, engine, pid_of, served, wordy_shop
from .table import Line, spread

WATCHERS, GENERATIONS, CONNECTIONS = 1000, 50, 8
LIMIT_MB = 150
"""Megabytes over idle: half of what the queue's 500 generations may take."""


async def measure() -> AsyncIterator[Line]:
    """All watch before the model answers; from then on each must get every revision once, and in order."""
    async with engine("--hold") as model, wordy_shop() as shop, AsyncExitStack() as stack:
        service = await stack.enter_async_context(served({**model.settings(), **shop}))
        stubs = [await _connection(stack, service) for _ in range(CONNECTIONS)]
        await asyncio.sleep(SETTLED)
        idle = memory(pid_of(service))
        ids = [(await service.generate(CUP, seed=seed)).generation_id for seed in range(GENERATIONS)]
        async with watched(pid_of(service)) as peak:
            here = [asyncio.Event() for _ in range(WATCHERS)]
            tasks = [
                asyncio.create_task(_watch(stubs[n % CONNECTIONS], ids[n % GENERATIONS], event))
                for n, event in enumerate(here)
            ]
            async with asyncio.timeout(60):
                await asyncio.gather(*(event.wait() for event in here))
            waiting, begin = memory(pid_of(service)), time.perf_counter()
            await model.release()
            seen = await asyncio.gather(*tasks)
    seconds = time.perf_counter() - begin
    over = peak.megabytes - idle
    counts = [float(count) for count in seen]
    yield Line(
        "watchers",
        f"memory over idle with {WATCHERS} watchers of {GENERATIONS} generations",
        f"{over:.0f} MB",
        f"< {LIMIT_MB} MB",
        over < LIMIT_MB,
        f"idle {idle:.0f} MB, all waiting {waiting:.0f} MB; {spread(counts, 0)} revisions each within "
        f"{seconds:.1f} s, every one once and in order",
    )


async def _connection(stack: AsyncExitStack, service: Replica) -> pb_grpc.ImageGenerationServiceAsyncStub:
    port = (await service.process.logged("serving"))["grpc_port"]
    own = [("grpc.use_local_subchannel_pool", 1)]
    channel = await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=own))
    return pb_grpc.ImageGenerationServiceStub(channel)


async def _watch(
    stub: pb_grpc.ImageGenerationServiceAsyncStub, generation_id: str, here: asyncio.Event
) -> int:
    """How many revisions came. Raises AssertionError when one is missing, twice or out of order."""
    request = pb.WatchImageGenerationRequest(generation_id=generation_id)
    states: list[pb.GetStatusResponse] = []
    async for state in stub.WatchImageGeneration(request, timeout=120):
        here.set()
        states.append(state)
    check_revisions(states)
    if states[-1].status != "completed":
        raise RuntimeError(f"it ended otherwise: {states[-1]}")
    return len(states)
