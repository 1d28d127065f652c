"""Row 1: what the service adds to a status call."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import httpx2
from fakes.process import Replica
from fakes.service import CUP, connected
from prometheus_client.parser import text_string_to_metric_families

from imagegenservice.pb import imagegen_pb2 as pb
from imagegenservice.pb import imagegen_pb2_grpc as pb_grpc

from .load import CLIENT, load
from .processes import CORES, spent
from .started import helper, pid_of, served
from .table import Line, median, spread

CALLS, ROUNDS = 1000, 12
AIMS = {"memory": 0.7, "sqlite": 0.5}
"""Shares of a bare server's calls a second: most of a call is to be gRPC's own, or half of it with a disk."""


@dataclass
class Server:
    """Who is asked, and what was measured: calls a second, and CPU seconds a call, of each round."""

    port: int
    pid: int
    request: bytes
    size: int
    service: Replica | None = None
    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    async def round(self, calls: int) -> None:
        """One round of load. Raises RuntimeError when an answer is not what it should be."""
        before, used = await self._answered(), spent(self.pid)
        seen = await load(self.port, self.request, calls)
        self.cpu.append((spent(self.pid) - used).total / calls)
        if seen.size != self.size:
            raise RuntimeError(f"answers of {seen.size} bytes, not {self.size}")
        if self.service is not None and await self._answered() - before < calls:
            raise RuntimeError("the service does not say that it answered so many calls")
        self.rates.append(seen.rate)

    async def _answered(self) -> float:
        """Calls that the service counts as answered with a completed generation."""
        if self.service is None:
            return 0.0
        async with httpx2.AsyncClient() as client:
            text = (await client.get(f"{self.service.http}/metrics")).text
        wanted = {"method": "GetImageGenerationStatus", "status": "completed"}
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == "imagegen_answers_total" and wanted.items() <= sample.labels.items()
        )


async def measure() -> AsyncIterator[Line]:
    """All three are there at once and take turns, so that a busy machine slows each of them."""
    async with AsyncExitStack() as stack:
        ours = {store: await _service(stack, store) for store in AIMS}
        answer = await _answer(ours["memory"])
        port, pid = (
            await stack.enter_async_context(helper("bare_server", answer.hex(), cores=CORES))
        ).split()
        bare = Server(int(port), int(pid), ours["memory"].request, len(answer))
        for server in (bare, *ours.values()):
            await server.round(CALLS // 2)
            server.rates.clear()
            server.cpu.clear()
        for _ in range(ROUNDS):
            for server in (bare, *ours.values()):
                await server.round(CALLS)
        for server in ours.values():
            if len(await _answer(server)) != server.size:
                raise RuntimeError("the answer has changed")
    for store, server in ours.items():
        yield _line(store, server, bare)


def _line(store: str, ours: Server, bare: Server) -> Line:
    shares = [mine / theirs for mine, theirs in zip(ours.rates, bare.rates, strict=True)]
    rates = f"{median(ours.rates):.0f}/s of {median(bare.rates):.0f}/s"
    cpu = f"{1e6 * median(ours.cpu):.0f} of {1e6 * median(bare.cpu):.0f} µs CPU a call"
    return Line(
        "status",
        f"status calls, {store}://, as a share of bare grpc.aio",
        spread(shares),
        f"≥ {AIMS[store]}",
        median(shares) >= AIMS[store],
        f"{rates}; {cpu}; {CLIENT}",
    )


async def _service(stack: AsyncExitStack, store: str) -> Server:
    settings = {"PICTURE_SIZE": "256", **({"STATE_STORE": "memory://"} if store == "memory" else {})}
    service = await stack.enter_async_context(served(settings))
    done = await service.drawn(CUP)
    port = (await service.process.logged("serving"))["grpc_port"]
    request = pb.GetStatusRequest(generation_id=done.generation_id)
    server = Server(port, pid_of(service), request.SerializeToString(), 0, service)
    server.size = len(await _answer(server))
    return server


async def _answer(server: Server) -> bytes:
    """The bytes of the answer, after a look at what it says."""
    async with connected(server.port) as channel:
        stub = pb_grpc.ImageGenerationServiceStub(channel)
        answer = await stub.GetImageGenerationStatus(pb.GetStatusRequest.FromString(server.request))
    if answer.status != "completed" or answer.progress != 100 or not answer.image_url:
        raise RuntimeError(f"not the answer that it should be: {answer}")
    return bytes(answer.SerializeToString())
