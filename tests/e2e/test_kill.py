"""A process is killed in the middle of a drawing and started again: each generation ends, once."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from fakes.gemini import FakeGemini
from fakes.process import Launch
from fakes.service import CUP, VASE, Client, check_revisions

from imagegenservice.pb import imagegen_pb2 as pb

TAKEN_UP_WITHIN = 30.0


async def ended_once(client: Client, generation_id: str) -> pb.GetStatusResponse:
    """Its end, when it has come, and is the only one."""
    async with asyncio.timeout(TAKEN_UP_WITHIN):
        states = await client.watch(generation_id)
    check_revisions(states)
    assert await client.status(generation_id) == states[-1]
    return states[-1]


def billed(folder: Path) -> int:
    lines = (folder / "bill").read_text().splitlines()
    return sum(json.loads(line)["billed"] for line in lines)


async def test_a_paid_drawing_that_was_killed_ends_once_without_being_paid_for_again(
    launch: Launch, gemini: FakeGemini, paid: dict[str, str], tmp_path: Path
) -> None:
    gemini.mode = "hang"
    first = await launch(**paid)
    order = await first.generate(CUP, idempotency_key="k")
    await gemini.arrived(1)
    await first.process.kill()
    second = await launch(**paid)
    end = await ended_once(second, order.generation_id)
    assert (end.status, end.engine) == ("completed", "compositor")
    assert [failure.reason for failure in end.engine_failures] == ["OUTCOME_UNKNOWN"]
    assert (await second.generate(CUP, idempotency_key="k")).generation_id == order.generation_id
    assert billed(tmp_path) == 1
    assert len(gemini.requests) == 1


async def test_without_an_engine_that_costs_nothing_it_fails_and_says_that_money_may_be_gone(
    launch: Launch, gemini: FakeGemini, paid: dict[str, str], tmp_path: Path
) -> None:
    paid["IMAGE_MODELS"] = "gemini://"
    gemini.mode = "hang"
    first = await launch(**paid)
    order = await first.generate(CUP)
    await gemini.arrived(1)
    await first.process.kill()
    second = await launch(**paid)
    end = await ended_once(second, order.generation_id)
    assert (end.status, end.error_reason) == ("failed", "OUTCOME_UNKNOWN")
    assert "new idempotency_key" in end.error_message
    gemini.mode = "ok"
    again = await second.drawn(CUP)
    assert again.engine == "gemini/gemini-nano-banana-2.1"
    assert billed(tmp_path) == 2


async def test_it_is_paid_for_again_only_where_the_settings_say_so(
    launch: Launch, gemini: FakeGemini, paid: dict[str, str], tmp_path: Path
) -> None:
    paid["UNKNOWN_OUTCOME_RETRIES"] = "1"
    gemini.modes.extend(["hang", "ok"])
    first = await launch(**paid)
    order = await first.generate(CUP)
    await gemini.arrived(1)
    await first.process.kill()
    second = await launch(**paid)
    end = await ended_once(second, order.generation_id)
    assert (end.status, end.engine) == ("completed", "gemini/gemini-nano-banana-2.1")
    assert billed(tmp_path) == 2


async def test_followers_of_a_killed_drawing_end_too(
    launch: Launch, gemini: FakeGemini, paid: dict[str, str], tmp_path: Path
) -> None:
    gemini.mode = "hang"
    first = await launch(**paid)
    orders = [await first.generate(CUP) for _ in range(4)]
    await gemini.arrived(1)
    await first.process.kill()
    gemini.mode = "ok"
    second = await launch(**paid)
    ends = [await ended_once(second, order.generation_id) for order in orders]
    assert {end.status for end in ends} == {"completed"}
    # The leader's call may have been paid for; its followers, who paid nothing, may ask once more.
    assert billed(tmp_path) <= 2


@pytest.mark.parametrize("stage", ["gathering", "drawing", "storing"])
async def test_a_drawing_that_cost_nothing_is_begun_anew(launch: Launch, stage: str) -> None:
    first = await launch()
    order = await first.generate(CUP, VASE)
    await first.at_stage(order.generation_id, stage)
    await first.process.kill()
    second = await launch()
    end = await ended_once(second, order.generation_id)
    assert (end.status, end.engine) == ("completed", "compositor")
    assert end.image_url.startswith(second.http)


async def test_what_was_answered_and_not_begun_is_drawn_all_the_same(launch: Launch) -> None:
    first = await launch()
    orders = [await first.generate(CUP, VASE, seed=seed) for seed in range(8)]
    await first.process.kill()
    second = await launch()
    ends = [await ended_once(second, order.generation_id) for order in orders]
    assert {end.status for end in ends} == {"completed"}
    assert len({end.image_url for end in ends}) == 8


async def test_three_kills_in_a_row_lose_nothing(launch: Launch) -> None:
    orders = []
    for seed in range(3):
        client = await launch()
        orders += [await client.generate(CUP, VASE, seed=seed), await client.generate(CUP, seed=seed)]
        await client.process.kill()
    last = await launch()
    ends = [await ended_once(last, order.generation_id) for order in orders]
    assert {end.status for end in ends} == {"completed"}
