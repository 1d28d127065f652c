"""What Gemini is asked."""

from __future__ import annotations

import io
import time
from dataclasses import replace

import numpy as np
import pytest
from fakes.commission import TestCommission, brief_of, pixels_of
from fakes.gemini import FakeGemini
from gemini_orders import BLUE, KEY, RED, Opener, picture
from PIL import Image

from imagegenservice.adapters.image_models.gemini import Gemini
from imagegenservice.adapters.image_models.gemini_models import DEFAULT_MODEL, KNOWN
from imagegenservice.errors import (
    ConfigurationError,
    DrawingFailed,
)
from imagegenservice.model import SourceType
from imagegenservice.urls import AdapterUrl


async def test_it_draws_from_the_products_pictures(model: Gemini, fake: FakeGemini, order: TestCommission):
    drawing = await model.draw(order)
    assert drawing.source_type is SourceType.TRAINED
    assert pixels_of(drawing).shape == (256, 256, 3)
    np.testing.assert_allclose(pixels_of(drawing)[60, 128], BLUE, atol=4)
    np.testing.assert_allclose(pixels_of(drawing)[190, 128], RED, atol=4)
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
    assert pixels_of(drawing).shape[:2] == (order.brief.height, order.brief.width)


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
        assert pixels_of(await engine.draw(order)).shape == (256, 256, 3)


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


async def test_one_megabyte_in_and_one_out_cost_the_event_loop_next_to_nothing(
    opened: Opener, gemini_process: str, monkeypatch: pytest.MonkeyPatch
):
    """The SDK's JSON and base64 take some 14 ms of CPU for it, which belong into the other thread."""
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", gemini_process)
    noise = np.random.default_rng(1).integers(0, 256, (1024, 1024, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).save(out, "JPEG", quality=80)
    spent = []
    async with opened("gemini://") as engine:
        for _ in range(6):
            order = TestCommission(brief_of(["Mug"], side=1024), [out.getvalue()])
            before = time.thread_time()
            await engine.draw(order)
            spent.append(time.thread_time() - before)
    # The least of them: the others were disturbed.
    assert min(spent) < 0.006
