"""What is Gemini's own, beyond tests/contract/test_image_model.py: every answer of both of its APIs."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import threading
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes.commission import TestCommission, brief_of
from fakes.gemini import FakeGemini, service_account
from fakes.http import Answer, HttpServer, Request
from PIL import Image

from imagegenservice.adapters.image_models.gemini import LEAST_TIME, Gemini
from imagegenservice.adapters.image_models.gemini_models import DEFAULT_MODEL, KNOWN
from imagegenservice.adapters.secrets.environment import FixedSecret
from imagegenservice.adapters.secrets.file import FileSecret
from imagegenservice.errors import (
    ConfigurationError,
    ContentBlocked,
    DrawingFailed,
    EngineAway,
    OutcomeUnknown,
)
from imagegenservice.model import SourceType
from imagegenservice.ports import Secret, Surroundings
from imagegenservice.urls import AdapterUrl

KEY = "the-right-key"
BLUE, RED = (0, 0, 255), (255, 0, 0)


def picture(colour: str, size: tuple[int, int] = (60, 40), mode: str = "RGB", form: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, colour).save(out, form)
    return out.getvalue()


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A service account's file, for a token endpoint to be named."""
    return service_account(tmp_path_factory.mktemp("account"))


@pytest.fixture
async def fake(monkeypatch: pytest.MonkeyPatch, account: Path, tmp_path: Path) -> AsyncIterator[FakeGemini]:
    async with FakeGemini(key=KEY, ledger=tmp_path / "ledger") as server:
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", server.url)
        monkeypatch.setenv("GOOGLE_VERTEX_BASE_URL", server.url)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(server.credentials(account)))
        yield server


@pytest.fixture(params=["gemini", "vertex"])
def api(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Opener:
    def __init__(self, surroundings: Surroundings) -> None:
        self.surroundings = surroundings

    def __call__(self, text: str, key: Secret | None = None) -> AbstractAsyncContextManager[Gemini]:
        return Gemini.open(
            AdapterUrl.parse(text), replace(self.surroundings, gemini_key=key or FixedSecret(KEY))
        )


@pytest.fixture
def opened(surroundings: Surroundings) -> Opener:
    return Opener(surroundings)


@pytest.fixture
async def model(fake: FakeGemini, api: str, opened: Opener) -> AsyncIterator[Gemini]:
    async with opened("gemini://?retries=1" + ("&vertex=true" if api == "vertex" else "")) as engine:
        yield engine


@pytest.fixture
async def gemini(fake: FakeGemini, opened: Opener) -> AsyncIterator[Gemini]:
    async with opened("gemini://") as engine:
        yield engine


@pytest.fixture
async def order() -> TestCommission:
    return TestCommission(brief_of(["Blue mug", "Red sock"]), [picture("blue"), picture("red")])


async def test_it_draws_from_the_products_pictures(model: Gemini, fake: FakeGemini, order: TestCommission):
    drawing = await model.draw(order)
    assert drawing.source_type is SourceType.TRAINED
    assert drawing.pixels.shape == (256, 256, 3)
    np.testing.assert_allclose(drawing.pixels[60, 128], BLUE, atol=4)
    np.testing.assert_allclose(drawing.pixels[190, 128], RED, atol=4)
    [call] = order.calls
    assert (call.outcome, call.engine, call.detail) == ("answered", model.name, "STOP")
    assert call.model_version == f"{DEFAULT_MODEL}-001"
    assert call.usage == {
        "input_tokens": 2540,
        "output_tokens": 1120,
        "thought_tokens": 80,
        "total_tokens": 3740,
    }


async def test_the_key_travels_in_a_header_alone(gemini: Gemini, fake: FakeGemini, order: TestCommission):
    await gemini.draw(order)
    [seen] = fake.requests
    assert seen.headers["x-goog-api-key"] == KEY
    assert seen.path == f"/v1/models/{DEFAULT_MODEL}:generateContent"
    assert "authorization" not in seen.headers


async def test_vertex_takes_a_token_of_the_default_credentials(opened: Opener, fake, order, monkeypatch):
    monkeypatch.setenv("GOOGLE_API_KEY", "a-key-of-something-else")
    async with opened("gemini://?vertex=true&project=p-1&location=europe-west4") as engine:
        await engine.draw(order)
        await engine.draw(order)
    seen = fake.requests[0]
    where = "projects/p-1/locations/europe-west4"
    assert seen.path == f"/v1beta1/{where}/publishers/google/models/{DEFAULT_MODEL}:generateContent"
    assert seen.headers["authorization"] == f"Bearer {fake.token}"
    assert "x-goog-api-key" not in seen.headers
    assert fake.tokens_given == 1


async def test_the_project_of_the_service_is_used_on_vertex(opened: Opener, fake, order):
    async with opened("gemini://?vertex=true") as engine:
        await engine.draw(order)
    assert "/projects/test-project/locations/global/" in fake.requests[0].path


async def test_one_picture_and_nothing_else_is_asked_for(gemini: Gemini, fake, order):
    await gemini.draw(order)
    assert fake.requests[0].body["generationConfig"] == {
        "candidateCount": 1,
        "responseModalities": ["IMAGE"],
        "imageConfig": {"aspectRatio": "1:1", "imageSize": "1K"},
    }


async def test_each_picture_follows_its_label_and_the_task_comes_last(gemini: Gemini, fake):
    pictures = [picture("blue"), None, picture("red")]
    order = TestCommission(brief_of(["Mug", "Ghost", "Sock"]), pictures, picture("green"))
    await gemini.draw(order)
    kinds = ["text" in part for part in fake.requests[0].body["contents"][0]["parts"]]
    assert kinds == [True, False, True, False, True, False, True]
    *labels, prompt = fake.requests[0].asked.texts
    assert labels == [
        "Image 1: reference picture of product 1.",
        "Image 2: reference picture of product 3.",
        "Image 3: the background.",
    ]
    assert '{"product": 2, "quantity": 1, "image": null, "name": "Ghost"' in prompt
    assert "Scene: image 3, the background." in prompt


async def test_pictures_are_made_small_and_opaque(gemini: Gemini, fake):
    large = picture("blue", (3000, 1500))
    clear = picture("#ff000000", (50, 50), "RGBA")
    await gemini.draw(TestCommission(brief_of(["A", "B"]), [large, clear]))
    first, second = [Image.open(io.BytesIO(data)) for data in fake.requests[0].asked.images]
    assert (first.format, first.size) == ("JPEG", (1024, 512))
    assert np.asarray(second).min() > 250


@pytest.mark.parametrize(("url", "places"), [("gemini://", 14), ("gemini://gemini-2.5-flash-image", 3)])
@pytest.mark.parametrize("background", [None, picture("green")], ids=["plain", "background"])
async def test_no_more_pictures_are_sent_than_the_model_takes(opened, fake, url, places, background):
    names = [f"Thing {number}" for number in range(20)]
    order = TestCommission(brief_of(names), [picture("blue")] * 20, background)
    async with opened(url) as engine:
        await engine.draw(order)
    assert len(fake.requests[0].asked.images) == places
    assert all(f'"name": "{name}"' in fake.requests[0].asked.texts[-1] for name in names)


async def test_a_product_with_a_broken_picture_is_asked_for_by_its_words(gemini: Gemini, fake):
    await gemini.draw(TestCommission(brief_of(["Mug", "Sock"]), [b"no picture", picture("red")]))
    assert fake.requests[0].asked.texts[0] == "Image 1: reference picture of product 2."


async def test_a_broken_background_costs_nothing(gemini: Gemini, fake):
    order = TestCommission(brief_of(["Mug"]), [picture("red")], b"no picture")
    with pytest.raises(DrawingFailed) as caught:
        await gemini.draw(order)
    assert caught.value.reason == "BACKGROUND_UNREADABLE"
    assert order.calls == []


@pytest.mark.parametrize(("side", "size"), [(256, "1K"), (1024, "1K"), (1026, "2K"), (2048, "2K")])
async def test_the_smallest_size_that_suffices_is_asked_for(gemini: Gemini, fake, side, size):
    order = TestCommission(brief_of(["Mug"], ratio="16:9", side=side), [picture("red")])
    drawing = await gemini.draw(order)
    assert fake.requests[0].asked.generation["imageConfig"] == {"aspectRatio": "16:9", "imageSize": size}
    assert drawing.pixels.shape[:2] == (order.brief.height, order.brief.width)


async def test_a_model_of_one_size_is_not_asked_for_any_and_gets_the_seed_it_takes(opened, fake, order):
    async with opened("gemini://gemini-2.5-flash-image") as engine:
        await engine.draw(order)
    generation = fake.requests[0].asked.generation
    assert generation["imageConfig"] == {"aspectRatio": "1:1"}
    assert generation["seed"] == order.brief.seed


async def test_an_unknown_model_is_passed_through_with_a_warning(opened, fake, order, caplog):
    async with opened("gemini://gemini-of-tomorrow") as engine:
        await engine.draw(order)
        assert engine.name == "gemini/gemini-of-tomorrow"
    assert "/gemini-of-tomorrow:" in fake.requests[0].path
    assert "gemini-of-tomorrow" in caplog.text


@pytest.mark.parametrize("name", KNOWN)
async def test_every_model_of_the_table_draws(opened, fake, order, name):
    async with opened(f"gemini://{name}") as engine:
        assert (await engine.draw(order)).pixels.shape == (256, 256, 3)


REFUSED_URLS = {
    "gemini://?vertx=true": "vertex",
    "gemini://?project=p": "vertex=true",
    "gemini://a/b": "gemini://MODEL",
    "gemini://a%2Fb": "gemini://MODEL",
    "gemini://?image_size=3K": "image_size",
    f"gemini://{DEFAULT_MODEL}?image_size=512": "1K, 2K, 4K",
    "gemini://gemini-2.5-flash-image?image_size=1K": "one size",
    "gemini://?concurrency=0": "concurrency",
}


@pytest.mark.parametrize("text", REFUSED_URLS)
async def test_a_wrong_url_is_refused_with_what_would_be_right(opened, text):
    with pytest.raises(ConfigurationError, match=REFUSED_URLS[text]):
        async with opened(text):
            pass


async def test_without_a_key_it_says_what_to_set(surroundings):
    with pytest.raises(ConfigurationError, match="GEMINI_API_KEY"):
        async with Gemini.open(AdapterUrl.parse("gemini://"), surroundings):
            pass


async def test_without_a_project_vertex_says_what_to_set(surroundings):
    with pytest.raises(ConfigurationError, match="PROJECT_ID"):
        async with Gemini.open(AdapterUrl.parse("gemini://?vertex=true"), replace(surroundings, project="")):
            pass


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
    assert (await gemini.draw(order)).pixels[60, 128][2] > 240


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
    assert (await model.draw(order)).pixels.shape == (256, 256, 3)
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


@pytest.mark.parametrize("mode", ["drop", "half"])
async def test_a_lost_answer_is_unknown_and_not_asked_for_again(model, fake, order, mode):
    fake.mode = mode
    with pytest.raises(OutcomeUnknown):
        await model.draw(order)
    assert order.outcomes == ["unknown"]
    assert len(fake.requests) == 1


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
    assert (await model.draw(TestCommission(order.brief, [picture("red")] * 2))).pixels.any()


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


async def test_the_ledger_of_the_provider_agrees(model, fake, order, tmp_path):
    fake.modes.extend(["503", "ok"])
    await model.draw(order)
    lines = [json.loads(line) for line in (tmp_path / "ledger").read_text().splitlines()]
    assert [line["billed"] for line in lines] == [False, True]
    assert order.outcomes == ["declined", "answered"]


async def test_the_event_loop_is_hardly_held_up(gemini: Gemini, fake):
    """One megabyte in and one out: milliseconds of JSON and base64, which belong into the other thread."""
    fake.mode = "ok:noise"
    noise = np.random.default_rng(1).integers(0, 256, (1024, 1024, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).save(out, "JPEG", quality=80)
    order = TestCommission(brief_of(["Mug"], side=1024), [out.getvalue()])
    await gemini.draw(order)  # the first call makes the client
    spent = -time.thread_time()
    await gemini.draw(order)
    spent += time.thread_time()
    assert len(fake.requests[1].asked.images[0]) > 500_000
    # The fake's own work on this loop is part of it: its parsing, and 5 MB through its sockets.
    assert spent < 0.25


class Distrusted(Secret):
    def __init__(self) -> None:
        self.times = 0

    async def read(self) -> str:
        return KEY

    def distrust(self) -> None:
        self.times += 1


def assert_discreet(error: DrawingFailed | None, caplog: pytest.LogCaptureFixture) -> None:
    """No key, no token, nothing of the server's or the model's own words, nothing of the prompt."""
    ours = [record.getMessage() + repr(record.__dict__) for record in caplog.records]
    everything = f"{error}{error.public if error else ''}{ours}"
    for secret in (KEY, "the-right-token", "SECRET-", "Blue mug", "BEGIN PRIVATE KEY"):
        assert secret not in everything
    if error is not None:
        assert error.__cause__ is None
        assert error.__context__ is None or error.__suppress_context__
