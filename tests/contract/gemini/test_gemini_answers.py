"""What Gemini answers, on both of its APIs, and what becomes of it."""

from __future__ import annotations

import json
import logging

import pytest
from fakes.commission import pixels_of
from gemini_orders import assert_discreet

from imagegenservice.adapters.image_models.gemini import Gemini
from imagegenservice.errors import (
    ContentBlocked,
    DrawingFailed,
    EngineAway,
    OutcomeUnknown,
)

BILLED = {
    "block:SAFETY": "SAFETY",
    "block:SAFETY/HARM_CATEGORY_DANGEROUS_CONTENT": "DANGEROUS_CONTENT",
    "block:PROHIBITED_CONTENT": "PROHIBITED_CONTENT",
    "block:MODEL_ARMOR": "MODEL_ARMOR",
    "block:JAILBREAK": "JAILBREAK",
    "block:REASON_OF_TOMORROW": "REASON_OF_TOMORROW",
    "block:odd reason <b>": "OTHER",
    "finish:SAFETY": "SAFETY",
    "finish:IMAGE_SAFETY": "IMAGE_SAFETY",
    "finish:IMAGE_PROHIBITED_CONTENT": "IMAGE_PROHIBITED_CONTENT",
    "finish:RECITATION": "RECITATION",
    "finish:IMAGE_RECITATION": "IMAGE_RECITATION",
    "finish:BLOCKLIST": "BLOCKLIST",
    "finish:SPII": "SPII",
    "finish:NO_IMAGE": DrawingFailed("", reason="NO_IMAGE"),
    "finish:IMAGE_OTHER": DrawingFailed("", reason="NO_IMAGE"),
    "finish:OTHER": DrawingFailed("", reason="NO_IMAGE"),
    "finish:LANGUAGE": DrawingFailed("", reason="NO_IMAGE"),
    "finish:MAX_TOKENS": DrawingFailed("", reason="NO_IMAGE"),
    "finish:CONTINUATION": DrawingFailed("", reason="NO_IMAGE"),
    "finish:MALFORMED_RESPONSE": DrawingFailed("", reason="MALFORMED_ANSWER"),
    "finish:REASON_OF_TOMORROW": DrawingFailed("", reason="NO_IMAGE"),
    "text": DrawingFailed("", reason="TEXT_ONLY"),
    "no-image": DrawingFailed("", reason="NO_IMAGE"),
    "no-parts": DrawingFailed("", reason="NO_IMAGE"),
    "file": DrawingFailed("", reason="NO_IMAGE"),
    "empty": DrawingFailed("", reason="NO_IMAGE"),
    "204": DrawingFailed("", reason="NO_IMAGE"),
    "no-candidates": DrawingFailed("", reason="NO_IMAGE"),
    "bad-json": DrawingFailed("", reason="MALFORMED_ANSWER"),
    "json-list": DrawingFailed("", reason="NO_IMAGE"),
    "deep-json": DrawingFailed("", reason="MALFORMED_ANSWER"),
    "odd-types": DrawingFailed("", reason="MALFORMED_ANSWER"),
    "html": DrawingFailed("", reason="MALFORMED_ANSWER"),
    "bad-base64": DrawingFailed("", reason="MALFORMED_ANSWER"),
    "broken-picture": DrawingFailed("", reason="BROKEN_PICTURE"),
    "no-picture": DrawingFailed("", reason="BROKEN_PICTURE"),
}


@pytest.mark.filterwarnings("ignore:.* is not a valid:UserWarning")  # the SDK's, at a value it does not know
@pytest.mark.parametrize("mode", BILLED)
async def test_what_was_answered_is_billed_and_not_asked_again(model, fake, order, mode, caplog):
    caplog.set_level(logging.DEBUG)
    fake.mode = mode
    with pytest.raises(DrawingFailed) as caught:
        await model.draw(order)
    expected = BILLED[mode]
    if isinstance(expected, str):
        assert isinstance(caught.value, ContentBlocked)
        assert caught.value.category == expected
    else:
        assert type(caught.value) is DrawingFailed
        assert caught.value.reason == expected.reason
    assert order.outcomes == ["answered"]
    assert len(fake.requests) == 1
    assert_discreet(caught.value, caplog)


async def test_a_draft_among_the_thoughts_is_not_the_picture(gemini: Gemini, fake, order):
    fake.mode = "thoughts"
    assert pixels_of(await gemini.draw(order))[60, 128][2] > 240


DECLINED = {
    "400": (DrawingFailed, "REQUEST_REJECTED"),
    "400-key": (DrawingFailed, "KEY_REJECTED"),
    "401": (DrawingFailed, "KEY_REJECTED"),
    "403": (DrawingFailed, "PERMISSION_DENIED"),
    "404": (DrawingFailed, "MODEL_NOT_FOUND"),
    "302": (DrawingFailed, "REDIRECT_REFUSED"),
    "408": (EngineAway, "ENGINE_TIMED_OUT"),
}


@pytest.mark.parametrize("mode", DECLINED)
async def test_what_another_try_would_not_change_is_not_tried_again(model, fake, order, mode, caplog):
    caplog.set_level(logging.DEBUG)
    fake.mode = mode
    kind, reason = DECLINED[mode]
    with pytest.raises(DrawingFailed) as caught:
        await model.draw(order)
    assert type(caught.value) is kind
    assert caught.value.reason == reason
    assert order.outcomes == ["declined"]
    assert len(fake.requests) == 1
    assert_discreet(caught.value, caplog)


PASSING = {
    "429": "QUOTA_EXHAUSTED",
    "500": "ENGINE_UNAVAILABLE",
    "502": "ENGINE_UNAVAILABLE",
    "503": "ENGINE_UNAVAILABLE",
    "504": "ENGINE_TIMED_OUT",
    "half-503": "ENGINE_UNAVAILABLE",
    "error-list": "ENGINE_UNAVAILABLE",
    "error-text": "ENGINE_UNAVAILABLE",
}


@pytest.mark.parametrize("mode", PASSING)
async def test_what_may_pass_is_tried_again(model, fake, order, mode):
    fake.modes.append(mode)
    assert pixels_of(await model.draw(order)).shape == (256, 256, 3)
    assert order.outcomes == ["declined", "answered"]


@pytest.mark.parametrize("mode", PASSING)
async def test_what_does_not_pass_is_an_engine_away(model, fake, order, mode, caplog):
    caplog.set_level(logging.DEBUG)
    fake.mode = mode
    with pytest.raises(EngineAway) as caught:
        await model.draw(order)
    assert caught.value.reason == PASSING[mode]
    assert order.outcomes == ["declined", "declined"]
    assert_discreet(caught.value, caplog)


@pytest.mark.parametrize("mode", ["drop", "half"])
async def test_a_lost_answer_is_unknown_and_not_asked_for_again(model, fake, order, mode):
    fake.mode = mode
    with pytest.raises(OutcomeUnknown):
        await model.draw(order)
    assert order.outcomes == ["unknown"]
    assert len(fake.requests) == 1


async def test_the_ledger_of_the_provider_agrees(model, fake, order, tmp_path):
    fake.modes.extend(["503", "ok"])
    await model.draw(order)
    lines = [json.loads(line) for line in (tmp_path / "ledger").read_text().splitlines()]
    assert [line["billed"] for line in lines] == [False, True]
    assert order.outcomes == ["declined", "answered"]
