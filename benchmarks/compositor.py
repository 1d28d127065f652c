"""Row 7: a cart drawn without any model."""

from __future__ import annotations

import io
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import httpx2
from fakes.process import Replica
from PIL import Image

from imagegenservice.demo.products import PRODUCTS

from .pictures import SIDE
from .processes import spent
from .started import pid_of, served
from .table import Line, median, spread

CART = [product.id for product in PRODUCTS[:5]]
OTHER = PRODUCTS[5].id
FIRST, KEPT = 1.0, 0.4
"""Seconds: what a shopper waits for without wondering, and what feels like an answer."""
STARTS, AGAIN = 3, 2


@dataclass(frozen=True)
class Drawing:
    """CPU and wall-clock seconds from the order to the answer."""

    cpu: float
    wall: float


async def measure() -> AsyncIterator[Line]:
    """Each start draws another product before, so that its child is warm but knows none of the cart."""
    first: list[Drawing] = []
    again: list[Drawing] = []
    for _ in range(STARTS):
        async with served({}, one_core=True) as service:
            await service.drawn(OTHER)
            first.append(await _draw(service, 1))
            again += [await _draw(service, 2 + n) for n in range(AGAIN)]
            picture = await _picture(service)
    encoding = median([_encoded(picture) for _ in range(9)])
    for what, aim, drawings in (("first", FIRST, first), ("with their cut-outs kept", KEPT, again)):
        cpu = [drawing.cpu for drawing in drawings]
        wall = median([drawing.wall for drawing in drawings])
        yield Line(
            "compositor",
            f"CPU of 5 products at {SIDE} x {SIDE} on one core, {what}",
            spread(cpu, 2, " s"),
            f"≤ {aim} s",
            median(cpu) <= aim,
            f"{wall:.2f} s by the clock; {median(cpu) / encoding:.0f} times the encoding alone",
        )


async def _draw(service: Replica, seed: int, products: Sequence[str] = CART) -> Drawing:
    before, begin = spent(pid_of(service)), time.perf_counter()
    answer = await service.drawn(*products, seed=seed)
    if answer.from_cache or (answer.width, answer.height) != (SIDE, SIDE):
        raise RuntimeError(f"not a new picture: {answer}")
    wall = time.perf_counter() - begin
    return Drawing((spent(pid_of(service)) - before).total, wall)


async def _picture(service: Replica) -> Image.Image:
    url = (await service.drawn(*CART, seed=1)).image_url
    async with httpx2.AsyncClient() as client:
        data = (await client.get(url)).raise_for_status().content
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGB")


def _encoded(picture: Image.Image) -> float:
    """CPU seconds of writing the finished picture as the service does."""
    begin = time.thread_time()
    picture.save(io.BytesIO(), "JPEG", quality=92, subsampling=0)
    return time.thread_time() - begin
