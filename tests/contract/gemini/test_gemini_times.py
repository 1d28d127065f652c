"""Waits, deadlines, cancellation and the end."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from fakes.commission import TestCommission, brief_of, pixels_of
from fakes.http import Answer, HttpServer, Request
from gemini_orders import picture

from imagegenservice.adapters.image_models.gemini import LEAST_TIME
from imagegenservice.errors import (
    EngineAway,
    OutcomeUnknown,
)


@pytest.mark.parametrize("mode", ["429:0.4s", "503:1"])
async def test_the_servers_own_wait_is_kept(model, fake, order, mode):
    fake.modes.append(mode)
    started = time.monotonic()
    await model.draw(order)
    assert time.monotonic() - started >= float(mode[4:].rstrip("s"))


@pytest.mark.parametrize("mode", ["429:38.6s", "503:3600", "429:999999999s"])
async def test_a_wait_beyond_the_deadline_is_not_begun(model, fake, order, mode):
    fake.mode = mode
    started = time.monotonic()
    with pytest.raises(EngineAway) as caught:
        await model.draw(order)
    assert time.monotonic() - started < 5
    assert caught.value.retry_after == float(mode[4:].rstrip("s"))
    assert order.outcomes == ["declined"]


async def test_with_no_time_left_nothing_is_asked(model, fake):
    order = TestCommission(brief_of(["Mug"]), [picture("red")], seconds=LEAST_TIME / 2)
    with pytest.raises(EngineAway) as caught:
        await model.draw(order)
    assert caught.value.reason == "ENGINE_TIMED_OUT"
    assert order.calls == []
    assert fake.requests == []


async def test_an_attempt_ends_in_time_and_its_outcome_is_unknown(fake, opened, order):
    fake.mode = "hang"
    async with opened("gemini://?timeout=0.3") as engine:
        with pytest.raises(OutcomeUnknown) as caught:
            await engine.draw(order)
    assert isinstance(caught.value.__cause__, EngineAway)
    assert caught.value.__cause__.reason == "ENGINE_TIMED_OUT"
    assert order.outcomes == ["unknown"]
    assert fake.requests[0].headers["x-server-timeout"] == "1"


async def test_the_deadline_of_the_order_ends_an_attempt_too(fake, opened):
    fake.mode = "hang"
    order = TestCommission(brief_of(["Mug"]), [picture("red")], seconds=LEAST_TIME + 0.5)
    async with opened("gemini://") as engine:
        with pytest.raises(OutcomeUnknown):
            await engine.draw(order)
    assert order.time_left > -1


async def test_a_trickling_answer_ends_in_time(monkeypatch, opened, order):
    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        hang_up = asyncio.ensure_future(reader.read())
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
        while not reader.at_eof():
            writer.write(b" ")
            await asyncio.wait([hang_up], timeout=0.05)
        writer.close()

    server = await asyncio.start_server(trickle, "127.0.0.1", 0)
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    async with server, opened("gemini://?timeout=0.5") as engine:
        with pytest.raises(OutcomeUnknown):
            await engine.draw(order)


async def test_a_refused_connection_is_declined_and_tried_again(monkeypatch, opened, order):
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", "http://127.0.0.1:1")
    async with opened("gemini://?retries=1") as engine:
        with pytest.raises(EngineAway) as caught:
            await engine.draw(order)
    assert caught.value.reason == "ENGINE_UNAVAILABLE"
    assert order.outcomes == ["declined", "declined"]


async def test_an_endless_answer_is_broken_off(monkeypatch, opened, order):
    async def pour(_: Request) -> Answer:
        return Answer(200, b" " * (65 * 1024 * 1024))

    async with HttpServer(pour) as server:
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", server.url)
        async with opened("gemini://") as engine:
            with pytest.raises(OutcomeUnknown):
                await engine.draw(order)


async def test_a_cancelled_drawing_hangs_up_at_once(model, fake, order):
    fake.mode = "hang"
    task = asyncio.create_task(model.draw(order))
    await asyncio.wait_for(fake.arrived(1), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert order.outcomes == ["unknown"]
    await asyncio.wait_for(fake.hung_up.wait(), 10)
    fake.mode = "ok"
    assert pixels_of(await model.draw(TestCommission(order.brief, [picture("red")] * 2))).any()


async def test_closing_ends_its_thread_even_while_it_draws(fake, opened, order):
    fake.mode = "hang"
    async with opened("gemini://") as engine:
        task = asyncio.create_task(engine.draw(order))
        await asyncio.wait_for(fake.arrived(1), 10)
    with pytest.raises(OutcomeUnknown):
        await task
    assert not [thread for thread in threading.enumerate() if thread.name == "gemini"]


async def test_as_many_draw_at_once_as_it_says(fake, opened):
    fake.mode = "hang"
    async with opened("gemini://?concurrency=3") as engine:
        assert engine.concurrency == 3
        orders = [TestCommission(brief_of(["Mug"]), [picture("red")]) for _ in range(3)]
        drawings = asyncio.gather(*map(engine.draw, orders))
        await asyncio.wait_for(fake.arrived(3), 10)
        fake.release.set()
        assert len(await drawings) == 3
