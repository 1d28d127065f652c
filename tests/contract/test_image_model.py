"""What ports.ImageModel promises, held against every engine of the table."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from fakes.commission import TestCommission, brief_of, pixels_of
from fakes.gemini import FakeGemini, service_account
from PIL import Image, ImageDraw

from imagegenservice.adapters.secrets.environment import FixedSecret
from imagegenservice.adapters.tables import IMAGE_MODELS
from imagegenservice.errors import DrawingFailed, EngineAway
from imagegenservice.model import RATIOS, Drawing, SourceType
from imagegenservice.ports import ImageModel, Surroundings
from imagegenservice.urls import AdapterUrl


@dataclass(frozen=True)
class Harness:
    """One engine under test. What it talks to is found through the environment."""

    url: str
    source: SourceType
    source_on_background: SourceType


HARNESSES = [
    Harness("compositor://", SourceType.COMPOSITE_SYNTHETIC, SourceType.COMPOSITE_CAPTURE),
    Harness("gemini://", SourceType.TRAINED, SourceType.TRAINED),
    Harness("gemini://?vertex=true", SourceType.TRAINED, SourceType.TRAINED),
]
"""A new engine is one line here, and whatever it talks to one fixture that `engine` asks for."""


@pytest.fixture(params=HARNESSES, ids=lambda harness: harness.url)
def harness(request: pytest.FixtureRequest) -> Harness:
    assert isinstance(request.param, Harness)
    return request.param


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return service_account(tmp_path_factory.mktemp("account"))


@pytest.fixture
async def google(monkeypatch: pytest.MonkeyPatch, account: Path) -> AsyncIterator[FakeGemini]:
    async with FakeGemini() as server:
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", server.url)
        monkeypatch.setenv("GOOGLE_VERTEX_BASE_URL", server.url)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(server.credentials(account)))
        yield server


@pytest.fixture
def around(surroundings: Surroundings, google: FakeGemini) -> Surroundings:
    return replace(surroundings, gemini_key=FixedSecret(google.key))


@pytest.fixture
async def engine(harness: Harness, around: Surroundings) -> AsyncIterator[ImageModel]:
    async with IMAGE_MODELS.open(AdapterUrl.parse(harness.url), around) as opened:
        yield opened


def product(colour: str) -> bytes:
    """A round thing on white, as a catalog shows it."""
    image = Image.new("RGB", (320, 320), "white")
    ImageDraw.Draw(image).ellipse((60, 60, 260, 260), fill=colour)
    out = io.BytesIO()
    image.save(out, "JPEG")
    return out.getvalue()


def scene(colour: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (640, 480), colour).save(out, "PNG")
    return out.getvalue()


COLOURS = ["#c03020", "#2040c0", "#208040", "#c0a020", "#603080"]


def order(
    count: int = 2,
    *,
    ratio: str = "1:1",
    side: int = 256,
    quantity: int = 1,
    background: bytes | None = None,
    pictures: Sequence[bytes | None] | None = None,
) -> TestCommission:
    names = [f"Round thing {number}" for number in range(1, count + 1)]
    brief = brief_of(names, ratio=ratio, side=side, quantity=quantity)
    shown = [product(COLOURS[number % len(COLOURS)]) for number in range(count)]
    return TestCommission(brief, shown if pictures is None else pictures, background)


def assert_drawn(drawing: Drawing, commission: TestCommission) -> None:
    brief = commission.brief
    assert drawing.picture.media_type == "image/jpeg"
    assert (drawing.picture.width, drawing.picture.height) == (brief.width, brief.height)
    assert pixels_of(drawing).shape == (brief.height, brief.width, 3)


@pytest.mark.parametrize("ratio", RATIOS)
async def test_it_draws_at_the_ordered_size_in_every_ratio(engine: ImageModel, ratio: str):
    commission = order(ratio=ratio)
    assert_drawn(await engine.draw(commission), commission)


async def test_it_draws_at_the_default_size(engine: ImageModel):
    commission = order(side=1024, ratio="4:3")
    assert_drawn(await engine.draw(commission), commission)


async def test_it_says_how_its_picture_came_to_be(engine: ImageModel, harness: Harness):
    drawing = await engine.draw(order())
    assert drawing.source_type is harness.source
    assert f"digitalsourcetype/{harness.source}".encode() in drawing.picture.data
    on_background = await engine.draw(order(background=scene("grey")))
    assert on_background.source_type is harness.source_on_background


async def test_progress_only_grows_and_stays_within_its_bounds(engine: ImageModel):
    commission = order()
    await engine.draw(commission)
    assert commission.shares
    assert commission.shares == sorted(commission.shares)
    assert 0 <= commission.shares[0] <= commission.shares[-1] <= 1


async def test_an_engine_that_costs_money_says_so_with_every_call(engine: ImageModel):
    commission = order()
    await engine.draw(commission)
    assert commission.outcomes == (["answered"] if engine.paid else [])
    assert all(call.engine == engine.name for call in commission.calls)


async def test_it_has_a_name_that_is_fit_for_metrics_and_a_bound(engine: ImageModel):
    assert engine.name.isascii()
    assert 0 < len(engine.name) < 64
    assert engine.concurrency >= 1


async def test_a_background_is_seen_in_the_picture(engine: ImageModel):
    red = await engine.draw(order(1, background=scene("#e01010")))
    blue = await engine.draw(order(1, background=scene("#1010e0")))
    difference = pixels_of(red).mean((0, 1)) - pixels_of(blue).mean((0, 1))
    assert difference[0] > 20
    assert difference[2] < -20


async def test_the_products_are_seen_in_the_picture(engine: ImageModel):
    red = await engine.draw(order(1, pictures=[product("#e01010")]))
    blue = await engine.draw(order(1, pictures=[product("#1010e0")]))
    assert np.abs(pixels_of(red).astype(int) - pixels_of(blue)).max() > 60


@pytest.mark.parametrize(
    "data", [None, b"", b"no picture", product("red")[:500]], ids=["none", "empty", "text", "cut"]
)
async def test_a_product_without_a_usable_picture_does_not_spoil_the_order(
    engine: ImageModel, data: bytes | None
):
    commission = order(2, pictures=[data, product("blue")])
    assert_drawn(await engine.draw(commission), commission)


async def test_an_order_without_any_picture_is_drawn(engine: ImageModel):
    commission = order(2, pictures=[None, None])
    assert_drawn(await engine.draw(commission), commission)


async def test_the_largest_order_is_drawn(engine: ImageModel):
    commission = order(50, quantity=999)
    assert_drawn(await engine.draw(commission), commission)


async def test_a_broken_background_raises_no_other_than_the_documented_errors(engine: ImageModel):
    commission = order(1, background=b"no picture")
    with pytest.raises(DrawingFailed):
        await engine.draw(commission)
    assert commission.calls == []


async def test_several_orders_at_once_do_not_mix(engine: ImageModel):
    orders = [order(1, ratio=ratio) for ratio in RATIOS]
    for drawing, commission in zip(await asyncio.gather(*map(engine.draw, orders)), orders, strict=True):
        assert_drawn(drawing, commission)


async def test_a_cancelled_order_leaves_the_engine_usable(engine: ImageModel, google: FakeGemini):
    google.mode = "hang"
    cancelled = order()
    task = asyncio.create_task(engine.draw(cancelled))
    await (asyncio.wait_for(google.arrived(1), 10) if engine.paid else asyncio.sleep(0))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    google.mode = "ok"
    commission = order()
    assert_drawn(await engine.draw(commission), commission)


async def test_it_opens_and_closes_without_its_cloud_and_without_a_trace(
    harness: Harness, around: Surroundings, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("GOOGLE_VERTEX_BASE_URL", "http://127.0.0.1:1")
    before = set(threading.enumerate())
    async with IMAGE_MODELS.open(AdapterUrl.parse(harness.url), around) as engine:
        if engine.paid:
            with pytest.raises(EngineAway):
                await engine.draw(order())
    ours = {
        thread for thread in set(threading.enumerate()) - before if not thread.name.startswith("asyncio_")
    }
    assert not {thread for thread in ours if not thread.name.startswith("darkroom")}


async def test_what_it_says_of_usage_can_be_written_down(engine: ImageModel):
    commission = order()
    await engine.draw(commission)
    for call in commission.calls:
        assert call.usage
        assert json.loads(json.dumps(call.usage)) == call.usage
        assert all(isinstance(count, int) for count in call.usage.values())
        assert call.model_version
