"""Thirty-two uploads of ten megabytes at once, and what they cost."""

from __future__ import annotations

import asyncio
import base64
import io
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import grpc
import numpy as np
import pytest
from fakes.process import Replica, replica
from fakes.service import details
from PIL import Image

from imagegenservice.pb import imagegen_pb2 as pb

UPLOADS = 32
SIZE = 10 * 1024 * 1024
LIMIT = 500 * 1024 * 1024


def picture() -> bytes:
    """A photo of 6 megapixels, filled up to just the size that is allowed."""
    noise = np.random.default_rng(7).integers(0, 256, (150, 200, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).resize((3000, 2000)).save(out, "JPEG", quality=90)
    assert len(out.getvalue()) < SIZE
    return out.getvalue() + bytes(SIZE - len(out.getvalue()))


def tree(root: int) -> Iterator[int]:
    """*root* and all its descendants."""
    yield root
    for task in Path(f"/proc/{root}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from tree(int(child))


def resident(root: int) -> int:
    """Bytes of memory that the processes hold."""
    total = 0
    for process in tree(root):
        try:
            total += int(Path(f"/proc/{process}/statm").read_text().split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended just now
    return total * os.sysconf("SC_PAGE_SIZE")


async def peak(service: Replica, over: asyncio.Event) -> int:
    """The most memory that is seen until *over*."""
    most = 0
    while not over.is_set():
        with suppress(FileNotFoundError, ProcessLookupError):
            most = max(most, resident(service.process.process.pid))
        await asyncio.sleep(0.02)
    return most


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="there is no /proc")
async def test_many_large_uploads_at_once_are_all_taken_within_the_memory_of_a_pod(tmp_path: Path) -> None:
    text = base64.b64encode(picture()).decode()
    async with replica(DATA_DIR=str(tmp_path)) as service:
        before = resident(service.process.process.pid)
        over = asyncio.Event()
        watching = asyncio.create_task(peak(service, over))
        begin = time.monotonic()

        async def upload(number: int) -> str:
            request = pb.UploadBackgroundRequest(image_data=text, user_id=f"shopper-{number}")
            while True:
                try:
                    return (await service.stub.UploadBackground(request, timeout=60)).status
                except grpc.aio.AioRpcError as exc:
                    # On a slow machine the line is too long for some; they come back when they are told to.
                    await asyncio.sleep(details(exc)[1] or 1e9)

        answers = await asyncio.gather(*(upload(number) for number in range(UPLOADS)))
        took = time.monotonic() - begin
        over.set()
        most = await watching
        assert await service.health() == "SERVING"
    memory = f"{before / 1e6:.0f} MB before, {most / 1e6:.0f} MB at the peak"
    print(  # noqa: T201 - a figure for whoever runs it
        f"{UPLOADS} uploads of 10 MB in {took:.1f} s: {memory}"
    )
    assert set(answers) == {"success"}
    assert most < LIMIT
