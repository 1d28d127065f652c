"""Records, pictures and uploads have lifetimes, and are swept."""

from __future__ import annotations

import asyncio

import httpx2
from fakes.service import CUP, base64_of, photo

from imagegenservice.pb import imagegen_pb2 as pb

SECOND = 1 / 86_400
"""A lifetime, in days, that a test outlasts."""
LONGER = 1.2
"""Seconds after which it is over, the spare time of pictures included."""


async def answers_404(url: str) -> bool:
    async with httpx2.AsyncClient() as client:
        return (await client.get(url)).status_code == 404


async def drawn_in_time(service):
    """What was drawn before its lifetime was over, which a busy machine may fail to do, and its seed."""
    for seed in range(8):
        answer = await service.generate(CUP, wait=25, seed=seed)
        if answer.status == "completed":
            return answer, seed
    raise AssertionError(answer)


async def test_a_generation_and_its_picture_end_with_their_lifetime(start):
    service = await start(picture_days=4 * SECOND)
    done, _ = await drawn_in_time(service)
    assert not await answers_404(done.image_url)
    await asyncio.sleep(4 * LONGER)  # the lifetime itself

    assert (await service.status(done.generation_id)).status == "not_found"
    await service.running.app.sweep.clear()
    assert await answers_404(done.image_url)


async def test_an_expired_picture_is_drawn_again(start):
    service = await start(picture_days=4 * SECOND)
    first, seed = await drawn_in_time(service)
    await asyncio.sleep(4 * LONGER)
    await service.running.app.sweep.clear()
    again = await service.generate(CUP, wait=25, seed=seed)

    assert not again.from_cache
    assert again.generation_id != first.generation_id


async def test_an_expired_background_is_not_accepted_any_more(start):
    service = await start(background_days=SECOND)
    uploaded = await service.stub.UploadBackground(
        pb.UploadBackgroundRequest(image_data=base64_of(photo())), timeout=10
    )
    assert uploaded.status == "success"
    await asyncio.sleep(LONGER)
    await service.running.app.sweep.clear()

    refused = await service.generate(CUP, background_image_url=uploaded.image_url)
    assert (refused.status, refused.error_reason) == ("failed", "URL_NOT_ALLOWED")
    assert await answers_404(uploaded.image_url)


async def test_a_background_lives_as_long_as_the_order_that_uses_it(start):
    service = await start(background_days=SECOND)
    uploaded = await service.stub.UploadBackground(
        pb.UploadBackgroundRequest(image_data=base64_of(photo())), timeout=10
    )
    ordered = await service.generate(CUP, background_image_url=uploaded.image_url)
    await asyncio.sleep(LONGER)
    await service.running.app.sweep.clear()

    assert (await service.ended(ordered.generation_id)).status == "completed"
