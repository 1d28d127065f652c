"""What dead processes left behind is taken up by a living one."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from fakes.gemini import FakeGemini
from fakes.records import generation
from fakes.service import CUP, VASE, Service, Start

from imagegenservice import holder
from imagegenservice.model import Document, Generation
from imagegenservice.records import FREE, Records, finished, now


def records_of(service: Service) -> Records:
    return service.running.app.core.generator._records


async def left_by(service: Service, name: str, tag: str, **fields: object) -> Generation:
    """A record of somebody who is gone."""
    return (await records_of(service).add(generation(name, **fields), tag)).generation


async def test_what_was_handed_back_is_taken_up(service: Service) -> None:
    await left_by(service, "back", FREE)
    await service.running.app.sweep.take_up()
    assert (await service.ended("back")).status == "completed"


async def test_what_a_dead_process_held_is_taken_up_and_its_lease_cleared_away(service: Service) -> None:
    store = records_of(service)._store
    await store.create(Document(holder.KIND, "h-dead", {}, expires_at=now() - timedelta(seconds=1)))
    await left_by(service, "orphan", "h-dead")
    await service.running.app.sweep.take_up()
    assert (await service.ended("orphan")).status == "completed"
    await service.idle()
    await service.running.app.sweep.take_up()
    assert await store.expired(holder.KIND, 10) == []


async def test_what_a_living_process_holds_is_left_alone(service: Service) -> None:
    store = records_of(service)._store
    until = now() + timedelta(minutes=1)
    await store.create(Document(holder.KIND, "h-alive", {"machine": "elsewhere"}, expires_at=until))
    await left_by(service, "theirs", "h-alive")
    assert await service.running.app.sweep.take_up() == 0
    assert (await service.status("theirs")).stage == "queued"


async def test_what_was_cancelled_before_its_holder_died_is_only_let_go(service: Service) -> None:
    claim = await records_of(service).add(generation("gone"), FREE)
    await claim.change(finished)
    assert await service.running.app.sweep.take_up() == 0
    assert (await records_of(service).claim("gone")).holder == ""


async def test_a_full_replica_takes_up_nothing_more(gemini: FakeGemini, start: Start) -> None:
    service = await start(image_models=("gemini://",), gemini_api_key=gemini.key, queue_size=2)
    gemini.mode = "hang"
    await service.generate(CUP)
    await gemini.arrived(1)
    for number in range(3):
        await left_by(service, f"free-{number}", FREE, fingerprint=f"f{number}")
    await service.running.app.sweep.take_up()
    assert service.running.app.studio.room == 0
    assert service.running.app.studio.drawing == 2
    gemini.release.set()


async def test_two_replicas_take_each_thing_up_once(start: Start, tmp_path: Path) -> None:
    shared = {
        "state_store": f"sqlite:///{tmp_path}/state.db",
        "object_storage": f"file://{tmp_path}/pictures",
    }
    one, two = await start(**shared), await start(**shared)
    for number in range(6):
        await left_by(one, f"free-{number}", FREE, fingerprint=f"f{number}")
    for _ in range(2):
        await one.running.app.sweep.take_up()
        await two.running.app.sweep.take_up()
    for number in range(6):
        end = await two.ended(f"free-{number}")
        assert end.status == "completed"
        assert (await records_of(one).get(f"free-{number}")).attempts == 1


@pytest.mark.parametrize("attempts", [9, 10])
async def test_what_ended_its_process_again_and_again_is_given_up(service: Service, attempts: int) -> None:
    await left_by(service, "poison", FREE, attempts=attempts)
    await service.running.app.sweep.take_up()
    end = await service.ended("poison")
    if attempts < 10:
        assert end.status == "completed"
    else:
        assert (end.status, end.error_reason) == ("failed", "TOO_MANY_ATTEMPTS")
    assert (await service.drawn(VASE)).status == "completed"
