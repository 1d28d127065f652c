"""Keys and credentials: rotated, rejected, missing, and never told."""

from __future__ import annotations

import logging
from contextlib import suppress

import pytest
from gemini_orders import KEY, assert_discreet

from imagegenservice.adapters.secrets.environment import FixedSecret
from imagegenservice.adapters.secrets.file import FileSecret
from imagegenservice.errors import (
    DrawingFailed,
    EngineAway,
)
from imagegenservice.ports import Secret


class Distrusted(Secret):
    def __init__(self) -> None:
        self.times = 0

    async def read(self) -> str:
        return KEY

    def distrust(self) -> None:
        self.times += 1


async def test_a_rotated_key_is_read_again_after_a_rejection(fake, opened, order, tmp_path):
    path = tmp_path / "key"
    path.write_text("the-old-key\n")
    async with opened("gemini://", FileSecret(path)) as engine:
        with pytest.raises(DrawingFailed) as caught:
            await engine.draw(order)
        assert caught.value.reason == "KEY_REJECTED"
        path.write_text(f"{KEY}\n")
        await engine.draw(order)
    assert [seen.headers["x-goog-api-key"] for seen in fake.requests] == ["the-old-key", KEY]


@pytest.mark.parametrize("mode", ["400-key", "401", "403"])
async def test_a_rejected_key_is_distrusted(fake, opened, order, mode):
    secret = Distrusted()
    fake.mode = mode
    async with opened("gemini://", secret) as engine:
        with pytest.raises(DrawingFailed):
            await engine.draw(order)
    assert secret.times == 1


@pytest.mark.parametrize("mode", ["ok", "400", "404", "429", "503", "text"])
async def test_any_other_answer_leaves_the_key_trusted(fake, opened, order, mode):
    secret = Distrusted()
    fake.mode = mode
    async with opened("gemini://?retries=0", secret) as engine:
        with suppress(DrawingFailed):
            await engine.draw(order)
    assert secret.times == 0


async def test_a_rejected_token_is_fetched_again(fake, opened, order):
    async with opened("gemini://?vertex=true") as engine:
        fake.modes.append("401")
        with pytest.raises(DrawingFailed):
            await engine.draw(order)
        await engine.draw(order)
    assert fake.tokens_given == 2


async def test_a_key_that_is_not_to_be_had_is_an_engine_away(fake, opened, order, tmp_path):
    async with opened("gemini://", FileSecret(tmp_path / "missing")) as engine:
        with pytest.raises(EngineAway) as caught:
            await engine.draw(order)
    assert caught.value.reason == "KEY_UNAVAILABLE"
    assert order.calls == []


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "schlüssel", "", "nul\0"])
async def test_a_key_that_fits_no_header_is_rejected_without_being_quoted(fake, opened, order, key, caplog):
    caplog.set_level(logging.DEBUG)
    async with opened("gemini://", FixedSecret(key)) as engine:
        with pytest.raises(DrawingFailed) as caught:
            await engine.draw(order)
    assert caught.value.reason == "KEY_REJECTED"
    assert order.calls == []
    assert not key or key not in f"{caught.value}{caplog.text}"


async def test_missing_credentials_are_told_apart_from_an_outage(fake, opened, order, monkeypatch, tmp_path):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    async with opened("gemini://?vertex=true") as engine:
        with pytest.raises(DrawingFailed) as caught:
            await engine.draw(order)
    assert caught.value.reason == "CREDENTIALS_MISSING"
    assert order.outcomes == ["declined"]


async def test_a_token_that_is_not_given_is_an_engine_away(fake, opened, order):
    fake.token_status = 503
    async with opened("gemini://?vertex=true") as engine:
        with pytest.raises(EngineAway):
            await engine.draw(order)
    assert order.outcomes == ["declined"]
    assert fake.requests == []


async def test_the_key_is_in_no_log(model, fake, order, caplog):
    caplog.set_level(logging.DEBUG)
    fake.modes.extend(["503", "ok"])
    await model.draw(order)
    assert_discreet(None, caplog)
