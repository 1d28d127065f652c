"""Equal orders are drawn once: those in flight follow the first, later ones take its picture."""

from __future__ import annotations

import asyncio
from pathlib import Path

from fakes.frontend import FakeFrontend
from fakes.gemini import FakeGemini
from fakes.service import CUP, VASE, Service, Start, check_revisions, photo
from fakes.shop import FakeShop

from imagegenservice.demo.products import PRODUCTS


async def test_equal_orders_in_flight_are_drawn_once(gemini: FakeGemini, painter: Service) -> None:
    gemini.mode = "hang"
    answers = [await painter.generate(CUP, user_id=f"shopper-{number}") for number in range(10)]
    assert len({answer.generation_id for answer in answers}) == 10
    await gemini.arrived(1)
    gemini.release.set()
    ended = [await painter.ended(answer.generation_id) for answer in answers]
    assert {state.status for state in ended} == {"completed"}
    assert len({state.image_url for state in ended}) == 1
    assert {state.engine for state in ended} == {"gemini/gemini-nano-banana-2.1"}
    assert len(gemini.requests) == 1


async def test_a_follower_shows_the_progress_of_its_leader(gemini: FakeGemini, painter: Service) -> None:
    gemini.mode = "hang"
    await painter.generate(CUP)
    await gemini.arrived(1)
    follower = await painter.generate(CUP)
    state = await painter.at_stage(follower.generation_id, "drawing")
    assert state.progress >= 15
    gemini.release.set()
    check_revisions(await painter.watch(follower.generation_id))


async def test_a_cancelled_follower_leaves_the_others_alone(gemini: FakeGemini, painter: Service) -> None:
    gemini.mode = "hang"
    leader = await painter.generate(CUP)
    await gemini.arrived(1)
    followers = [await painter.generate(CUP) for _ in range(2)]
    await painter.at_stage(followers[0].generation_id, "drawing")
    assert (await painter.cancel(followers[0].generation_id)).error_reason == "CANCELLED"
    gemini.release.set()
    assert (await painter.ended(leader.generation_id)).status == "completed"
    assert (await painter.ended(followers[1].generation_id)).status == "completed"
    assert (await painter.status(followers[0].generation_id)).error_reason == "CANCELLED"
    assert len(gemini.requests) == 1


async def test_the_followers_of_a_cancelled_leader_get_what_its_paid_call_brings(
    gemini: FakeGemini, painter: Service
) -> None:
    gemini.mode = "hang"
    leader = await painter.generate(CUP)
    await gemini.arrived(1)
    followers = [await painter.generate(CUP) for _ in range(3)]
    assert (await painter.cancel(leader.generation_id)).error_reason == "CANCELLED"
    gemini.release.set()
    ended = [await painter.ended(follower.generation_id) for follower in followers]
    assert {state.status for state in ended} == {"completed"}
    assert len(gemini.requests) == 1


async def test_the_followers_of_a_cancelled_leader_go_on_without_it(
    start: Start, shop: FakeShop, frontend: FakeFrontend
) -> None:
    service = await start(pictures_url=frontend.url, **shop.settings)
    frontend.mode = "hang"
    leader = await service.generate(CUP)
    await frontend.arrived.wait()
    followers = [await service.generate(CUP) for _ in range(3)]
    await service.at_stage(followers[-1].generation_id, "gathering")
    await service.cancel(leader.generation_id)
    frontend.mode = "ok"
    frontend.release.set()
    ended = [await service.ended(follower.generation_id) for follower in followers]
    assert {state.status for state in ended} == {"completed"}
    assert len({state.image_url for state in ended}) == 1


async def test_a_follower_fails_as_its_leader_does(gemini: FakeGemini, painter: Service) -> None:
    gemini.mode = "hang,finish:IMAGE_SAFETY"
    leader = await painter.generate(CUP)
    await gemini.arrived(1)
    follower = await painter.generate(CUP)
    await painter.at_stage(follower.generation_id, "drawing")
    gemini.release.set()
    ended = [await painter.ended(answer.generation_id) for answer in (leader, follower)]
    assert {state.error_reason for state in ended} == {"CONTENT_BLOCKED"}
    assert len(gemini.requests) == 1


async def test_a_failure_is_not_what_the_next_order_gets(gemini: FakeGemini, painter: Service) -> None:
    gemini.modes.extend(["finish:IMAGE_SAFETY", "ok"])
    assert (await painter.generate(CUP, wait=20)).status == "failed"
    assert not (await painter.drawn(CUP)).from_cache


async def test_a_later_equal_order_is_completed_at_once(gemini: FakeGemini, painter: Service) -> None:
    first = await painter.drawn(CUP, VASE, user_id="ann")
    second = await painter.generate(CUP, VASE, user_id="bob")
    assert (second.status, second.from_cache, second.progress) == ("completed", True, 100)
    assert second.image_url == first.image_url
    assert second.engine == first.engine
    assert second.generation_id != first.generation_id
    assert (await painter.status(second.generation_id)).from_cache
    check_revisions(await painter.watch(second.generation_id))
    assert len(gemini.requests) == 1


async def test_the_order_of_the_lines_makes_another_picture_and_merged_lines_do_not(service: Service) -> None:
    await service.drawn(CUP, CUP)
    assert not (await service.drawn(CUP)).from_cache
    assert (await service.drawn(CUP, CUP)).from_cache


async def test_a_picture_with_a_private_background_is_its_owners_alone(service: Service) -> None:
    uploaded = await service.upload(photo())
    mine = await service.drawn(CUP, user_id="ann", background_image_url=uploaded.image_url)
    again = await service.drawn(CUP, user_id="ann", background_image_url=uploaded.image_url)
    theirs = await service.drawn(CUP, user_id="bob", background_image_url=uploaded.image_url)
    assert (mine.from_cache, again.from_cache, theirs.from_cache) == (False, True, False)


async def test_equal_backgrounds_are_one_whoever_uploaded_them(service: Service) -> None:
    first = await service.upload(photo(), user_id="ann")
    second = await service.upload(photo())
    assert first.image_url != second.image_url
    await service.drawn(CUP, user_id="ann", background_image_url=first.image_url)
    assert (await service.drawn(CUP, user_id="ann", background_image_url=second.image_url)).from_cache


async def test_what_a_fallback_drew_is_not_what_the_next_order_gets(gemini: FakeGemini, start: Start) -> None:
    service = await start(image_models=("gemini://?retries=0", "compositor://"), gemini_api_key=gemini.key)
    gemini.modes.extend(["503", "ok"])
    assert (await service.drawn(CUP)).engine == "compositor"
    second = await service.drawn(CUP)
    assert second.engine.startswith("gemini/")
    assert not second.from_cache
    assert (await service.drawn(CUP)).from_cache


async def test_a_picture_that_lacks_a_products_picture_for_now_is_not_kept_for_others(
    start: Start, shop: FakeShop, frontend: FakeFrontend
) -> None:
    service = await start(pictures_url=frontend.url, **shop.settings)
    frontend.modes[PRODUCTS[1].picture] = "500"
    assert not (await service.drawn(CUP, VASE)).from_cache
    frontend.modes.clear()
    assert not (await service.drawn(CUP, VASE)).from_cache
    assert (await service.drawn(CUP, VASE)).from_cache


async def test_a_kept_picture_whose_record_is_gone_is_drawn_anew(service: Service) -> None:
    first = await service.drawn(CUP)
    core = service.running.app.core
    key = first.image_url.partition(f"{service.http}/")[2]
    document = await core.gallery._store.get("asset", key.replace("/", "-"))
    assert document is not None
    await core.gallery.remove(document)
    second = await service.drawn(CUP)
    assert not second.from_cache
    assert await core.gallery.read(key)


async def test_replicas_follow_each_other(gemini: FakeGemini, start: Start, tmp_path: Path) -> None:
    shared = {
        "state_store": f"sqlite:///{tmp_path}/state.db",
        "object_storage": f"file://{tmp_path}/pictures",
        "image_models": ("gemini://",),
        "gemini_api_key": gemini.key,
    }
    one, two = await start(**shared), await start(**shared)
    gemini.mode = "hang"
    leader = await one.generate(CUP)
    await gemini.arrived(1)
    follower = await two.generate(CUP)
    await two.at_stage(follower.generation_id, "drawing")
    gemini.release.set()
    states = await asyncio.gather(one.ended(follower.generation_id), two.ended(leader.generation_id))
    assert {state.status for state in states} == {"completed"}
    # Each replica names its own HTTP door, which shows the same picture.
    assert len({state.image_url.partition("/pictures/")[2] for state in states}) == 1
    await two.idle()
    assert (await two.generate(CUP)).from_cache
    assert len(gemini.requests) == 1
