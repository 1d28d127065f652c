"""Ten times more orders than can be drawn: what can be drawn is drawn, and the rest hears so at once."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import grpc
from fakes.process import ROOT, Replica, replica
from fakes.service import CUP, connected, details, order
from grpc_health.v1 import health_pb2, health_pb2_grpc

SECONDS = float(os.environ.get("OVERLOAD_SECONDS", "6"))
PLACES, EACH = 6, 1.5
NOMINAL = PLACES / EACH
QUEUE = 2 * PLACES
KEY = "the-right-key"


@dataclass
class Seen:
    """What the clients saw."""

    taken: list[str] = field(default_factory=list)
    refusals: list[float] = field(default_factory=list)
    probes: list[float] = field(default_factory=list)
    odd: list[object] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    """Seconds by which this process, which does little, was woken too late: what the machine adds."""

    def percentile(self, share: float) -> float:
        return percentile(self.refusals, share)

    @property
    def spare(self) -> float:
        """What a call may take longer because the machine is busy with something else: four wakings."""
        return 4 * percentile(self.late, 0.999)


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


async def metronome(seen: Seen) -> None:
    while True:
        begin = time.perf_counter()
        await asyncio.sleep(0.01)
        seen.late.append(time.perf_counter() - begin - 0.01)


@asynccontextmanager
async def engine() -> AsyncIterator[str]:
    """The address of a Gemini that takes just EACH seconds for a picture; its work is not on our clock."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.fakes.gemini", "--port", "0", "--delay", str(EACH), "--key", KEY),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield (await asyncio.wait_for(process.stdout.readline(), 20)).decode().strip()
    finally:
        process.kill()
        await process.communicate()


async def place(service: Replica, seed: int, seen: Seen) -> None:
    begin = time.perf_counter()
    try:
        answer = await service.stub.GenerateCartImage(
            order(CUP, seed=seed, user_id=f"shopper-{seed % 97}"), timeout=10
        )
    except grpc.aio.AioRpcError as exc:
        seen.refusals.append(time.perf_counter() - begin)
        if exc.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED or details(exc) != ("OVERLOADED", 5.0):
            seen.odd.append(exc)
    else:
        seen.taken.append(answer.generation_id)


async def probe(service: Replica, port: int, seen: Seen) -> None:
    """As the kubelet does, only more often: with a connection of its own."""
    while True:
        async with connected(port) as channel:
            begin = time.perf_counter()
            try:
                check = health_pb2_grpc.HealthStub(channel).Check
                answer = await check(health_pb2.HealthCheckRequest(), timeout=5)
                if answer.status != health_pb2.HealthCheckResponse.SERVING:
                    seen.odd.append(answer)
            except grpc.aio.AioRpcError as exc:
                seen.odd.append(exc)
            seen.probes.append(time.perf_counter() - begin)
        await asyncio.sleep(0.2)


async def capacity(service: Replica) -> float:
    """Pictures a second when all places are busy and nobody else is there; the engine's wire included."""

    async def customer(number: int) -> None:
        for again in range(2):
            answer = await service.generate(CUP, wait=20, seed=10**7 + 2 * number + again)
            assert answer.status == "completed", answer

    await asyncio.gather(*(customer(number) for number in range(QUEUE)))
    return rate(completed(service))


async def flood(service: Replica, seconds: float, seen: Seen) -> None:
    """Orders at ten times what the engine can draw at best, come what may."""
    clock = asyncio.get_running_loop()
    begin, calls = clock.time(), []
    for number in range(int(10 * NOMINAL * seconds)):
        await asyncio.sleep(max(0.0, begin + number / (10 * NOMINAL) - clock.time()))
        calls.append(asyncio.create_task(place(service, number, seen)))
    await asyncio.gather(*calls)


def completed(service: Replica) -> list[float]:
    """When pictures were finished, by the service's own log."""
    return [
        datetime.fromisoformat(line["time"]).timestamp()
        for line in service.process.lines
        if line["message"] == "a generation ended" and line["status"] == "completed"
    ]


def rate(moments: list[float]) -> float:
    """Pictures a second, over whole rounds of all places, without the first."""
    rounds = len(moments) // PLACES
    span = moments[rounds * PLACES - 1] - moments[PLACES - 1]
    return (rounds - 1) * PLACES / span


async def back_to_normal(service: Replica) -> float:
    """Seconds until a new order is taken and drawn."""
    begin = time.monotonic()
    while True:
        try:
            answer = await service.generate(CUP, wait=10, seed=10**6, user_id="late")
        except grpc.aio.AioRpcError:
            await asyncio.sleep(0.1)
            continue
        assert answer.status == "completed", answer
        return time.monotonic() - begin


async def test_ten_times_the_capacity_is_refused_politely_and_nothing_is_lost(tmp_path: Path) -> None:
    seen = Seen()
    async with engine() as url:
        settings = {
            "IMAGE_MODELS": f"gemini://?concurrency={PLACES}",
            "GEMINI_API_KEY": KEY,
            "GOOGLE_GEMINI_BASE_URL": url,
            "QUEUE_SIZE": str(QUEUE),
            "DATA_DIR": str(tmp_path),
        }
        async with replica(**settings) as service:
            port = (await service.process.logged("serving"))["grpc_port"]
            probing = [asyncio.create_task(probe(service, port, seen)), asyncio.create_task(metronome(seen))]
            able = await capacity(service)
            before = len(completed(service))
            await flood(service, SECONDS, seen)
            drawn = completed(service)[before:]
            recovery = await back_to_normal(service)
            for task in probing:
                task.cancel()
            ends = [await service.ended(generation) for generation in seen.taken]
    goodput = rate(drawn)
    print(  # noqa: T201 - figures for whoever runs it
        f"{SECONDS:.0f} s of {10 * NOMINAL:.0f} orders/s for {able:.1f} pictures/s: goodput "
        f"{goodput / able:.0%}, {len(seen.taken)} taken, {len(seen.refusals)} refused, p50 "
        f"{seen.percentile(0.5) * 1000:.1f} ms, p99 {seen.percentile(0.99) * 1000:.1f} ms, slowest of "
        f"{len(seen.probes)} probes {max(seen.probes) * 1000:.0f} ms, normal after {recovery:.1f} s, of "
        f"which the machine's own share is {seen.spare * 1000:.0f} ms"
    )
    assert able > NOMINAL / 2
    assert seen.odd == []
    assert {end.status for end in ends} == {"completed"}
    assert len(seen.refusals) > 0.7 * (len(seen.taken) + len(seen.refusals))
    assert goodput >= (0.9 if seen.spare < 0.1 else 0.5) * able
    assert seen.percentile(0.5) < 0.05
    assert seen.percentile(0.99) < 0.05 + 2 * seen.spare
    assert max(seen.probes) < 1 + seen.spare
    assert len(seen.probes) > 2 * SECONDS
    assert recovery < 5 + 10 * seen.spare
