"""Write down what docs/memory.md says: PYTHONPATH=.:tests python tests/hostile/measure.py."""

from __future__ import annotations

import asyncio
import io
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

from fakes.commission import brief_of
from fakes.process import Replica, replica
from PIL import Image
from processes import family, memory, resident

from imagegenservice.darkroom import ChildrensDarkroom, open_darkroom
from imagegenservice.demo.products import PRODUCTS
from imagegenservice.imaging.headers import Limits
from imagegenservice.model import Reference, SourceType

LIMITS = Limits(pixels=25_000_000, side=16_384, bytes=10 * 1024 * 1024)
PICTURES = Path(__file__).parents[2] / "imagegenservice/demo/pictures"
MB = 1024 * 1024


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def scene(form: str, size: tuple[int, int], **options: object) -> bytes:
    out = io.BytesIO()
    with Image.open(PICTURES / "oak_table.jpg") as image:
        image.resize(size).save(out, form, **options)
    return out.getvalue()


def used(pids: list[int]) -> float:
    """CPU seconds of these processes."""
    total = 0.0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / 100
    return total


async def start_and_idle() -> None:
    seconds, parents, families = [], [], []
    for _ in range(5):
        with tempfile.TemporaryDirectory() as folder:
            begin = time.perf_counter()
            async with replica(DATA_DIR=folder) as service:
                assert await service.health() == "SERVING"
                seconds.append(time.perf_counter() - begin)
                await asyncio.sleep(1.5)
                pid = service.process.process.pid
                parents.append(resident(pid) / MB)
                families.append(memory(family(pid)) / MB)
    say(f"start to SERVING: {statistics.median(seconds):.2f} s (median of 5)")
    say(f"idle: the service {statistics.median(parents):.0f} MB; all {statistics.median(families):.0f} MB")


async def under_load() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with replica(DATA_DIR=folder, CPU_WORKERS="2", PICTURE_SIZE="1024") as service:
            peak = asyncio.create_task(peak_of(service))
            webp = [scene("WEBP", (5000, 5000 - n), method=0) for n in range(4)]
            uploads = [service.upload(data, f"u{n}") for n, data in enumerate(webp)]
            orders = [
                service.drawn(*(p.id for p in PRODUCTS), user_id=f"o{n}", style_preference=style)
                for n, style in enumerate(("modern", "luxury", "vintage", "casual"))
            ]
            await asyncio.gather(*uploads, *orders, return_exceptions=True)
            peak.cancel()
            say(f"4 uploads of 25 MP WebP and 4 orders of 9 products at once: peak {await peak:.0f} MB")
            await asyncio.sleep(1)
            say(f"afterwards: {memory(family(service.process.process.pid)) / MB:.0f} MB")


async def peak_of(service: Replica) -> float:
    peak = 0.0
    try:
        while True:
            pids = family(service.process.process.pid)
            peak = max(peak, await asyncio.to_thread(memory, pids) / MB)
            await asyncio.sleep(0.005)
    except asyncio.CancelledError:
        return peak


def bare(data: bytes) -> float:
    begin = time.process_time()
    out = io.BytesIO()
    Image.open(io.BytesIO(data)).save(out, "JPEG", quality=92, subsampling=0)
    return time.process_time() - begin


async def costs() -> None:
    with open_darkroom(1, LIMITS) as room:
        data = scene("JPEG", (4000, 3000), quality=97, subsampling=0)
        await room.develop(data, max_side=2048)

        def spent() -> float:
            own = resource.getrusage(resource.RUSAGE_SELF)
            return own.ru_utime + own.ru_stime + used(room.pids)

        for side in (2048, 16_384):
            before = spent()
            for _ in range(20):
                await room.develop(data, max_side=side)
            ours = (spent() - before) / 20
            theirs = statistics.median(bare(data) for _ in range(10))
            say(f"upload of {len(data) / 1e6:.1f} MB, side {side}: {ours:.3f} s CPU; bare {theirs:.3f} s; "
                  f"{ours / theirs:.2f}")  # fmt: skip
        await drawings(room)


async def drawings(room: ChildrensDarkroom) -> None:
    room.prepare()
    await asyncio.sleep(2)
    stems = ("cup", "vase", "carafe", "lamp", "clock")
    brief = brief_of(stems, side=1024)
    references = [
        Reference(item, (PICTURES / f"{stem}.jpg").read_bytes())
        for item, stem in zip(brief.items, stems, strict=True)
    ]
    for which in ("first", "again", "again", "again"):
        before, begin = used(room.pids), time.perf_counter()
        source = SourceType.COMPOSITE_SYNTHETIC
        await room.compose(brief, references, None, source, lambda _: None, cache_bytes=64 * MB)
        wall = time.perf_counter() - begin
        say(f"5 products at 1024 x 1024, {which}: {used(room.pids) - before:.2f} s CPU, {wall:.2f} s")


async def main() -> None:
    await start_and_idle()
    await under_load()
    await costs()


if __name__ == "__main__":
    asyncio.run(main())
