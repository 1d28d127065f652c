"""The dialog in a real browser, before the real service, and before answers that go wrong."""

from __future__ import annotations

import asyncio
import importlib
import io
import json
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from doors import in_go, in_python, tryout, with_one_cup
from fakes.service import photo
from PIL import Image
from workshop import FRONTEND, ROOT

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
DESKTOP = {"viewport": {"width": 1100, "height": 900}}
SCRIPT = (FRONTEND / "static/imagegen/imagegen.js").read_text(encoding="utf-8")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served() -> AsyncIterator[Any]:
    """The real service with the sample shop."""
    async with with_one_cup() as service:
        yield service


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(served: Any) -> AsyncIterator[str]:
    """The sample shop's cart page, with the routes in Python."""
    async with in_python(served.running.grpc.port, served.http_port) as door:
        yield door.url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(chromium: Path) -> AsyncIterator[Any]:
    playwright = importlib.import_module("playwright.async_api").async_playwright
    async with playwright() as driver:
        arguments = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
        opened = await driver.chromium.launch(executable_path=str(chromium), args=arguments)
        yield opened
        await opened.close()


class Visit:
    """A shopper's page. `broken` collects errors of the script and refusals by the page's own policy."""

    def __init__(self, page: Any, url: str) -> None:
        self.page = page
        self.url = url
        self.broken: list[str] = []
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: self.broken.append(str(error)))
        page.on("console", self._heard)

    def _heard(self, message: Any) -> None:
        if "Content Security Policy" in message.text:
            self.broken.append(message.text)

    def __call__(self, name: str) -> Any:
        return self.page.locator(f"#imagegen-{name}")

    async def open(self) -> None:
        await self.page.goto(f"{self.url}/cart")
        await self("open").click()
        await self("form").wait_for(state="visible")

    async def submit(self) -> None:
        await self("form").locator("button[type=submit]").click()

    async def answer(self, path: str, *answers: dict[str, Any] | int) -> list[Any]:
        """Answer requests to *path* in this order, the last one again and again: a state, or a status."""
        asked: list[Any] = []

        async def fulfil(route: Any) -> None:
            asked.append(route.request)
            now = answers[min(len(asked), len(answers)) - 1]
            if isinstance(now, int):
                state, status = (
                    {"status": "failed", "reason": {429: "OVERLOADED"}.get(now, "UNAVAILABLE")},
                    now,
                )
            else:
                state, status = now, 200
            headers = {"content-type": "application/json", "retry-after": "1"}
            await route.fulfill(status=status, headers=headers, body=json.dumps(state))

        await self.page.route(re.compile(rf"/imagegen{path}$"), fulfil)
        return asked


Visits = Callable[..., Any]


@pytest_asyncio.fixture(loop_scope="module")
async def visit(browser: Any, shop: str) -> AsyncIterator[Visits]:
    """Opens a page; at the end none of them may have broken."""
    contexts, visits = [], []

    async def new(url: str = shop, **context: Any) -> Visit:
        contexts.append(await browser.new_context(**(context or DESKTOP)))
        visits.append(Visit(await contexts[-1].new_page(), url))
        return visits[-1]

    yield new
    for context in contexts:
        await context.close()
    assert [fault for visited in visits for fault in visited.broken] == []


LISTEN = """() => {
    const words = document.getElementById('imagegen-words');
    window.told = [];
    new MutationObserver(() => window.told.push(words.textContent)).observe(words, {childList: true});
}"""


async def journey(visited: Visit, folder: Path) -> bytes:
    """Upload, order, watch, see, download: the file that a shopper has in the end."""
    table = folder / "table.jpg"
    table.write_bytes(photo(640, 480))
    await visited.open()
    await visited("background").set_input_files(table)
    await visited("preview").wait_for(state="visible")
    await visited.page.get_by_role("radio", name="Luxury").check()
    await visited.page.get_by_role("radio", name="Wide").check()
    await visited.page.evaluate(LISTEN)
    await visited.submit()
    await visited("result").wait_for(state="visible")
    told = await visited.page.evaluate("window.told")
    assert told[0] == "Sending your background…"
    assert told[-1] == "Ready"
    natural = await visited("picture").evaluate("img => [img.naturalWidth, img.naturalHeight]")
    assert natural == [256, 192]
    assert "luxury" in await visited("picture").get_attribute("alt")
    assert (
        await visited("caption").inner_text() == "Put together from the shop's own photos of your products."
    )
    async with visited.page.expect_download() as started:
        await visited("download").click()
    download = await started.value
    assert download.suggested_filename == "my-cart.jpg"
    return await asyncio.to_thread(Path(await download.path()).read_bytes)


@pytest.mark.parametrize("device", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_from_the_photo_to_the_download(visit: Visits, tmp_path: Path, device: dict[str, Any]) -> None:
    file = await journey(await visit(**device), tmp_path)
    assert Image.open(io.BytesIO(file)).size == (256, 192)


async def test_the_same_with_the_routes_in_go(
    visit: Visits, served: Any, program: Path, tmp_path: Path
) -> None:
    async with in_go(program, tmp_path)(served.running.grpc.port, served.http_port, "/boutique") as door:
        file = await journey(await visit(door.url), tmp_path)
    assert Image.open(io.BytesIO(file)).format == "JPEG"


async def test_a_page_that_is_loaded_again_finds_its_picture(visit: Visits) -> None:
    visited = await visit()
    await visited.open()
    await visited.submit()
    await visited("result").wait_for(state="visible")
    await visited.page.reload()
    button = visited.page.get_by_role("button", name="Show my picture")
    await button.wait_for()
    assert await visited("news").inner_text() == "Your picture is ready."
    await button.click()
    assert await visited("picture").is_visible()


async def test_a_phones_large_photo_is_made_smaller_before_it_travels(visit: Visits, tmp_path: Path) -> None:
    visited = await visit(**PHONE)
    asked = await visited.answer("/backgrounds", {"status": "failed", "reason": "IMAGE_UNREADABLE"})
    large = tmp_path / "large.png"
    Image.effect_noise((4000, 3000), 80).convert("RGB").save(large, "PNG", compress_level=0)
    assert large.stat().st_size > 30_000_000
    await visited.open()
    await visited("background").set_input_files(large)
    await visited("remove").wait_for(state="visible")
    # What was chosen is waited for, even by somebody who is quick.
    await visited.submit()
    await visited("warning").wait_for(state="visible")
    assert len(asked) == 1
    assert asked[0].headers["content-type"] == "image/jpeg"
    sizes = await asked[0].sizes()
    assert 0 < sizes["requestBodySize"] < 4 * 1024 * 1024


async def test_progress_is_shown_and_said_and_asked_for_ever_more_seldom(visit: Visits) -> None:
    visited = await visit()
    drawing = {"id": "g1", "status": "processing", "stage": "drawing", "progress": 40}
    await visited.answer("/generations", {**drawing, "stage": "queued", "progress": 0})
    asked = await visited.answer("/generations/g1", drawing)
    await visited.open()
    await visited.submit()
    await visited.page.locator("#imagegen-bar[value='40']").wait_for()
    assert await visited("words").inner_text() == "Drawing your picture…"
    assert await visited("words").get_attribute("aria-live") == "polite"
    begun = len(asked)
    await asyncio.sleep(6)
    assert 1 <= len(asked) - begun <= 5
    # The dialog may be closed meanwhile, and opened again.
    await visited.page.keyboard.press("Escape")
    await visited.page.get_by_role("button", name="Watch it being drawn").click()
    assert await visited("progress").is_visible()


async def test_a_passing_failure_of_the_way_is_waited_out(visit: Visits) -> None:
    visited = await visit()
    failed = {"id": "g1", "status": "failed", "reason": "CONTENT_BLOCKED", "message": "for the console"}
    ordered = await visited.answer("/generations", 503, {"id": "g1", "status": "processing", "progress": 0})
    await visited.answer("/generations/g1", 503, 429, failed)
    await visited.open()
    await visited.submit()
    await visited("failure").wait_for(state="visible")
    assert "declined to draw" in await visited("sorry").inner_text()
    first, second = (json.loads(request.post_data) for request in ordered)
    assert first == second, "one wish has one key"
    assert len(first["key"]) == 32


@pytest.mark.parametrize(
    ("reason", "words", "again"),
    [
        ("CART_EMPTY", "Your cart is empty", False),
        ("CONTENT_BLOCKED", "declined to draw", False),
        ("ENGINE_TIMED_OUT", "did not answer", True),
        ("OUTCOME_UNKNOWN", "could not be drawn", True),
        ("NEVER_HEARD_OF", "could not be drawn", True),
    ],
)
async def test_failures_are_told_in_a_shoppers_words(
    visit: Visits, reason: str, words: str, again: bool
) -> None:
    visited = await visit()
    state = {"status": "failed", "reason": reason, "message": "<b>engine: traceback</b>"}
    await visited.answer("/generations", state)
    await visited.open()
    await visited.submit()
    await visited("sorry").wait_for(state="visible")
    told = await visited("sorry").inner_text()
    assert words in told
    assert reason not in told
    assert "traceback" not in told
    assert await visited("again").is_visible() is again
    focused = await visited.page.evaluate("document.activeElement.id")
    assert focused == ("imagegen-again" if again else "imagegen-back")


async def test_a_photo_that_cannot_be_used_leads_back_to_the_choice(visit: Visits, tmp_path: Path) -> None:
    visited = await visit()
    await visited.open()
    (tmp_path / "notes.txt").write_text("hello")
    await visited("background").set_input_files(tmp_path / "notes.txt")
    assert "JPEG, PNG or WebP" in await visited("warning").inner_text()
    (tmp_path / "broken.jpg").write_bytes(photo(640, 480)[:400])
    await visited("background").set_input_files(tmp_path / "broken.jpg")
    await visited("remove").wait_for(state="visible")
    assert await visited("warning").is_hidden()
    await visited.submit()
    await visited("warning").wait_for(state="visible")
    assert "cannot be read" in await visited("warning").inner_text()
    assert await visited("form").is_visible()


async def test_the_keyboard_is_enough(visit: Visits) -> None:
    visited = await visit()
    ordered = await visited.answer("/generations", {"status": "failed", "reason": "CART_EMPTY"})
    await visited.page.goto(f"{visited.url}/cart")
    await visited("open").focus()
    await visited.page.keyboard.press("Enter")
    focused = await visited.page.evaluate("document.activeElement.closest('dialog') !== null")
    assert focused, "the focus went into the dialog"
    await visited.page.locator("input[value=modern]").focus()
    await visited.page.keyboard.press("ArrowRight")
    await visited.page.keyboard.press("Enter")
    await visited("failure").wait_for(state="visible")
    assert json.loads(ordered[0].post_data)["style"] == "casual"
    await visited.page.keyboard.press("Escape")
    assert await visited.page.evaluate("document.activeElement.id") == "imagegen-open"


async def test_everything_to_touch_has_a_name_and_room_for_a_finger(visit: Visits) -> None:
    visited = await visit(**PHONE)
    await visited.open()
    small = await visited.page.evaluate(
        """() => [...document.querySelectorAll('#imagegen :is(button, .imagegen-style, .imagegen-shape)')]
            .filter(one => one.offsetParent !== null)
            .filter(one => one.offsetHeight < 43 || !(one.ariaLabel || one.innerText.trim()))
            .map(one => one.outerHTML)"""
    )
    assert small == []
    wide = await visited.page.evaluate("document.documentElement.scrollWidth")
    assert wide <= PHONE["viewport"]["width"], "nothing sticks out of a phone"


async def test_the_session_is_not_for_the_script(visit: Visits) -> None:
    visited = await visit()
    await visited.open()
    assert await visited.page.evaluate("document.cookie") == ""
    sent = await visited.answer("/generations", {"status": "failed", "reason": "CART_EMPTY"})
    await visited.submit()
    await visited("failure").wait_for(state="visible")
    assert set(json.loads(sent[0].post_data)) == {"style", "shape", "background", "key"}


async def test_every_reason_with_words_of_its_own_is_one_that_there_is() -> None:
    table = SCRIPT.partition("const FAULTS = {")[2].partition("\n  };")[0]
    told = set(re.findall(r"^    ([A-Z_]+):", table, re.MULTILINE))
    assert len(told) > 15
    sources = [*(ROOT / "imagegenservice").rglob("*.py"), FRONTEND / "imagegen.go"]
    text = "\n".join(source.read_text(encoding="utf-8") for source in sources)
    known = set(re.findall(r'"([A-Z_]{5,})"', text)) | {"INVALID_CART_ITEMS", "OFFLINE"}
    assert told <= known
    assert {"CART_EMPTY", "PRODUCTS_UNKNOWN", "CONTENT_BLOCKED", "IMAGE_TOO_LARGE", "OVERLOADED"} <= told


async def test_nothing_is_fetched_from_elsewhere() -> None:
    for file in (*FRONTEND.glob("static/**/*.*"), *FRONTEND.glob("templates/*")):
        assert not re.search(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}", file.read_text(encoding="utf-8")), file
    assert "default-src 'none'" in tryout.POLICY
    assert "unsafe" not in tryout.POLICY
