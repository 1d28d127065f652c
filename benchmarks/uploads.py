"""Rows 6 and 10: what an upload costs beside its decoding and encoding, and what many large ones hold."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator

import grpc.aio
from fakes.process import Replica
from fakes.service import base64_of, details
from PIL import Image

from imagegenservice.pb import imagegen_pb2 as pb

from .pictures import jpeg_of, scene, varied
from .processes import Spent, memory, spent, watched
from .started import SETTLED, pid_of, served
from .table import Line, median, spread

SIZE, WEIGHT = (2048, 1536), 2_000_000
"""As large as a background is kept, so that neither side makes it smaller."""
EACH, ROUNDS = 6, 5
SHARE = 1.3
"""Of what Pillow takes: the rest is for gRPC, base64, checks, two pipes and a file."""
MANY, LARGE = 32, 10 * 1024 * 1024
PATIENCE = 60.0
PEAK_MB = 500
"""Two thirds of the pod that docs/memory.md describes."""


async def one() -> AsyncIterator[Line]:
    """Both in turns; the service's children included, and each picture a new one."""
    data = jpeg_of(scene(*SIZE, grain=3), WEIGHT)
    shares, ours, theirs = [], [], []
    async with served({}) as service:
        await _uploaded(service, data, range(EACH))
        for number in range(1, ROUNDS + 1):
            before = spent(pid_of(service))
            await _uploaded(service, data, range(number * EACH, (number + 1) * EACH))
            ours.append((spent(pid_of(service)) - before).each(EACH))
            theirs.append(median([await asyncio.to_thread(_bare, data) for _ in range(EACH)]))
            shares.append(ours[-1].total / theirs[-1])
    parent, children = _milliseconds(ours)
    yield Line(
        "upload",
        f"CPU of an upload of {len(data) / 1e6:.1f} MB, as a share of Pillow's decoding and encoding",
        spread(shares),
        f"≤ {SHARE}",
        median(shares) <= SHARE,
        f"{parent:.0f} ms in the service and {children:.0f} in its children; "
        f"Pillow {1000 * median(theirs):.0f}",
    )


def _milliseconds(spans: list[Spent]) -> tuple[float, float]:
    return 1000 * median([one.parent for one in spans]), 1000 * median([one.children for one in spans])


async def _uploaded(service: Replica, data: bytes, numbers: range) -> None:
    for number in numbers:
        answer = await service.upload(varied(data, number), "shopper")
        if answer.status != "success" or (answer.width, answer.height) != SIZE:
            raise RuntimeError(f"not taken: {answer}")


def _bare(data: bytes) -> float:
    """CPU seconds of the same work without a service."""
    begin = time.thread_time()
    with Image.open(io.BytesIO(data)) as image:
        image.save(io.BytesIO(), "JPEG", quality=92, subsampling=0)
    return time.thread_time() - begin


async def many() -> AsyncIterator[Line]:
    """Photos of 6 megapixels, filled up to the size that is just allowed; all are taken in the end."""
    photo = jpeg_of(scene(3000, 2000), 1_000_000)
    photo += bytes(LARGE - len(photo))
    async with served({}) as service:
        await asyncio.sleep(SETTLED)
        idle, begin = memory(pid_of(service)), time.perf_counter()
        async with asyncio.timeout(2 * PATIENCE), watched(pid_of(service), every=0.005) as peak:
            await asyncio.gather(*(_insist(service, varied(photo, n), f"shopper-{n}") for n in range(MANY)))
        seconds = time.perf_counter() - begin
    yield Line(
        "uploads",
        f"peak of all processes during {MANY} uploads of 10 MB at once",
        f"{peak.megabytes:.0f} MB",
        f"< {PEAK_MB} MB",
        peak.megabytes < PEAK_MB,
        f"idle {idle:.0f} MB; all taken in {seconds:.1f} s",
    )


async def _insist(service: Replica, data: bytes, user_id: str) -> None:
    """Come back when the line is too long, as the answer says."""
    request = pb.UploadBackgroundRequest(image_data=base64_of(data), user_id=user_id)
    while True:
        try:
            answer = await service.stub.UploadBackground(request, timeout=PATIENCE)
        except grpc.aio.AioRpcError as exc:
            if exc.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                raise
            await asyncio.sleep(details(exc)[1] or 1.0)
        else:
            break
    if answer.status != "success":
        raise RuntimeError(f"not taken: {answer}")
