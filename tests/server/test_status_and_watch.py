"""GetImageGenerationStatus and WatchImageGeneration."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from fakes.gemini import FakeGemini
from fakes.patience import until
from fakes.service import CUP, STAGES, Service, check_revisions

from imagegenservice.demo.shop import SHOPPER
from imagegenservice.pb import imagegen_pb2 as pb


def request(generation_id: str, **fields: object) -> pb.WatchImageGenerationRequest:
    return pb.WatchImageGenerationRequest(generation_id=generation_id, **fields)  # type: ignore[arg-type]


async def test_a_status_says_all_that_the_order_said(service: Service) -> None:
    answer = await service.drawn(CUP)
    status = await service.status(answer.generation_id)
    for field in ("image_url", "status", "progress", "stage", "engine", "width", "height", "media_type"):
        assert getattr(status, field) == getattr(answer, field), field
    assert status.generation_id == answer.generation_id
    assert status.completed_at == answer.completed_at


@pytest.mark.parametrize(
    "generation_id",
    ["", "0" * 32, "../../etc/passwd", "a/b", "x" * 10_000, "\u0430dmin", "%2e%2e", "null\0byte"],
)
async def test_what_names_no_generation_is_not_found_with_one_text(
    service: Service, generation_id: str
) -> None:
    status = await service.status(generation_id)
    assert (status.status, status.error_reason) == ("not_found", "NOT_FOUND")
    assert status.error_message == "There is no such generation, or it has expired."
    [watched] = await service.watch(generation_id)
    assert watched == status
    assert await service.cancel(generation_id) == status


async def test_somebody_elses_generation_is_as_unknown_as_one_that_never_was(service: Service) -> None:
    theirs = await service.drawn(user_id=SHOPPER)
    never = await service.status("0" * 32, user_id="mallory")
    assert await service.status(theirs.generation_id, user_id="mallory") == never
    assert await service.cancel(theirs.generation_id, user_id="mallory") == never
    assert await service.watch(theirs.generation_id, user_id="mallory") == [never]
    assert (await service.status(theirs.generation_id, user_id=SHOPPER)).status == "completed"
    assert (await service.status(theirs.generation_id)).status == "completed"


async def test_a_watch_sends_every_revision_once_and_in_order(service: Service) -> None:
    answer = await service.generate(CUP)
    states = await service.watch(answer.generation_id)
    check_revisions(states)
    assert {state.stage for state in states} == set(STAGES)
    assert states[-1].image_url
    assert states[0].created_at == states[-1].created_at


async def test_a_watch_of_a_finished_generation_sends_its_past(service: Service) -> None:
    answer = await service.generate(CUP)
    live = await service.watch(answer.generation_id)
    again = await service.watch(answer.generation_id)
    check_revisions(again)
    assert [(state.revision, state.stage, state.progress) for state in again] == [
        (state.revision, state.stage, state.progress) for state in live
    ]
    assert again[-1] == live[-1]


async def test_a_watch_goes_on_where_the_last_one_broke_off(service: Service) -> None:
    answer = await service.drawn(CUP)
    check_revisions(await service.watch(answer.generation_id, from_revision=3), first=3)
    whole = await service.watch(answer.generation_id, from_revision=-5)
    check_revisions(whole)
    assert await service.watch(answer.generation_id, from_revision=whole[-1].revision) == whole[-1:]
    assert await service.watch(answer.generation_id, from_revision=1000) == []


async def test_fifty_watchers_see_the_same(gemini: FakeGemini, painter: Service) -> None:
    gemini.mode = "hang"
    answer = await painter.generate(CUP)
    watchers = [asyncio.create_task(painter.watch(answer.generation_id)) for _ in range(50)]
    await gemini.arrived(1)
    gemini.release.set()
    seen = await asyncio.gather(*watchers)
    check_revisions(seen[0])
    assert all(len(states) == len(seen[0]) for states in seen)
    assert all(states[-1] == seen[0][-1] for states in seen)


async def test_a_watcher_that_leaves_leaves_nothing_behind(gemini: FakeGemini, painter: Service) -> None:
    gemini.mode = "hang"
    answer = await painter.generate(CUP)
    await gemini.arrived(1)
    call = painter.stub.WatchImageGeneration(request(answer.generation_id))
    assert (await call.read()) is not grpc.aio.EOF
    bulletin = painter.running.app.core.generator._bulletin
    assert answer.generation_id in bulletin._topics
    call.cancel()
    await until(lambda: not bulletin._topics)
    gemini.release.set()


async def test_a_watch_ends_with_its_callers_deadline(gemini: FakeGemini, painter: Service) -> None:
    gemini.mode = "hang"
    answer = await painter.generate(CUP)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for _ in painter.stub.WatchImageGeneration(request(answer.generation_id), timeout=0.4):
            pass
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert (await painter.status(answer.generation_id)).status == "processing"
    gemini.release.set()
