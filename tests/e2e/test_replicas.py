"""Two processes on shared stores are one service."""

from __future__ import annotations

import asyncio
import signal

import httpx2
from fakes.gemini import FakeGemini
from fakes.process import Launch, Replica
from fakes.service import CUP, VASE, order, photo
from test_kill import ended_once

from imagegenservice.demo.shop import SHOPPER


async def both(launch: Launch, **settings: str) -> tuple[Replica, Replica]:
    one, two = await asyncio.gather(launch(**settings), launch(**settings))
    return one, two


async def test_each_answers_for_what_the_other_drew(launch: Launch, stores: dict[str, str]) -> None:
    one, two = await both(launch, **stores)
    answer = await one.generate(user_id=SHOPPER)
    watched = await asyncio.gather(*(ended_once(client, answer.generation_id) for client in (one, two)))
    assert {state.status for state in watched} == {"completed"}
    status = await two.status(answer.generation_id, user_id=SHOPPER)
    assert (status.status, status.engine) == ("completed", "compositor")
    assert (await two.status(answer.generation_id, user_id="mallory")).status == "not_found"
    async with httpx2.AsyncClient() as client:
        for state in (*watched, status):
            picture = await client.get(state.image_url)
            assert (picture.status_code, picture.headers["content-type"]) == (200, "image/jpeg")
    later = await two.generate(user_id=SHOPPER)
    assert (later.status, later.from_cache) == ("completed", True)


async def test_a_background_that_one_took_in_is_there_for_the_other(
    launch: Launch, stores: dict[str, str]
) -> None:
    one, two = await both(launch, **stores)
    uploaded = await one.upload(photo(), user_id="ann")
    answer = await two.drawn(CUP, user_id="ann", background_image_url=uploaded.image_url)
    refused = await two.generate(CUP, user_id="bob", background_image_url=uploaded.image_url)
    assert refused.error_reason == "URL_NOT_ALLOWED"
    assert (await one.status(answer.generation_id)).status == "completed"


async def test_a_key_is_one_generation_on_both_and_drawn_once(
    launch: Launch, stores: dict[str, str], gemini: FakeGemini, paid: dict[str, str]
) -> None:
    one, two = await both(launch, **stores, **paid)
    gemini.mode = "hang"
    request = order(CUP, user_id="ann", idempotency_key="k")
    answers = await asyncio.gather(
        *((one, two)[number % 2].stub.GenerateCartImage(request, timeout=30) for number in range(20))
    )
    [generation_id] = {answer.generation_id for answer in answers}
    await gemini.arrived(1)
    reused = await two.generate(VASE, user_id="ann", idempotency_key="k")
    assert reused.error_reason == "IDEMPOTENCY_KEY_REUSED"
    gemini.release.set()
    assert (await ended_once(two, generation_id)).status == "completed"
    assert len(gemini.requests) == 1


async def test_equal_orders_on_both_are_drawn_once_and_either_cancels_the_others(
    launch: Launch, stores: dict[str, str], gemini: FakeGemini, paid: dict[str, str]
) -> None:
    one, two = await both(launch, **stores, **paid)
    gemini.mode = "hang"
    leader = await one.generate(CUP)
    await gemini.arrived(1)
    followers = [await two.generate(CUP), await two.generate(CUP)]
    await two.at_stage(followers[1].generation_id, "drawing")
    assert (await one.cancel(followers[0].generation_id)).error_reason == "CANCELLED"
    assert (await two.cancel(leader.generation_id)).error_reason == "CANCELLED"
    gemini.release.set()
    # The leader is cancelled; its paid call brings the follower's picture all the same.
    assert (await ended_once(one, followers[1].generation_id)).status == "completed"
    assert (await ended_once(one, leader.generation_id)).error_reason == "CANCELLED"
    assert (await ended_once(one, followers[0].generation_id)).error_reason == "CANCELLED"
    assert len(gemini.requests) == 1


async def test_the_other_takes_over_what_a_killed_one_held(launch: Launch, stores: dict[str, str]) -> None:
    one, two = await both(launch, **stores)
    orders = [await one.generate(CUP, VASE, seed=seed) for seed in range(4)]
    await one.process.kill()
    ends = [await ended_once(two, answer.generation_id) for answer in orders]
    assert {end.status for end in ends} == {"completed"}


async def test_the_other_takes_over_from_one_that_stands_still_and_its_late_writes_are_refused(
    launch: Launch, stores: dict[str, str], gemini: FakeGemini, paid: dict[str, str]
) -> None:
    one, two = await both(launch, **stores, **paid)
    gemini.mode = "hang"
    answer = await one.generate(CUP)
    await gemini.arrived(1)
    one.process.signal(signal.SIGSTOP)
    try:
        end = await ended_once(two, answer.generation_id)
        assert (end.status, end.engine) == ("completed", "compositor")
        assert [failure.reason for failure in end.engine_failures] == ["OUTCOME_UNKNOWN"]
    finally:
        one.process.signal(signal.SIGCONT)
    gemini.release.set()
    await one.process.logged("this process was taken for dead; it begins anew")
    assert await two.status(answer.generation_id) == end
    gemini.mode = "ok"
    assert (await one.drawn(VASE)).status == "completed"
    assert len(gemini.requests) == 2
