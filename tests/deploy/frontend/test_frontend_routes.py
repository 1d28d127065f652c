"""The routes that the page calls, in Go and in Python alike."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import grpc
import pytest
from fakes.service import photo
from PIL import Image

NAME = "0123456789abcdef" * 2 + "01234567.jpg"
KEY = f"pictures/{NAME}"
pytestmark = pytest.mark.timeout(600)  # the first that needs Go compiles gRPC with it
JSON = {"content-type": "application/json"}


async def test_the_whole_journey(door: Any) -> None:
    sent = await door.ask(
        "POST", "/backgrounds", content=photo(320, 240), headers={"content-type": "image/jpeg"}
    )
    uploaded = sent.json()
    assert uploaded["status"] == "success"
    assert uploaded["background"].startswith("/imagegen/backgrounds/")

    ordered = await door.order(style="luxury", shape="4:3", background=uploaded["background"], key="wish-1")
    assert ordered.status_code == 200
    assert ordered.headers["cache-control"] == "no-store"
    done = await door.done(ordered.json())
    assert (done["status"], done["progress"], done["stage"]) == ("completed", 100, "done")
    assert done["engine"] == "compositor"

    picture = await door.ask("GET", done["image"].removeprefix("/imagegen"))
    assert picture.headers["content-type"] == "image/jpeg"
    assert picture.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in picture.headers["content-security-policy"]
    assert "content-disposition" not in picture.headers
    assert Image.open(io.BytesIO(picture.content)).size == (256, 192)

    download = await door.ask("GET", done["image"].removeprefix("/imagegen") + "?download=1")
    assert download.headers["content-disposition"] == 'attachment; filename="my-cart.jpg"'
    assert download.content == picture.content


async def test_the_same_wish_sent_twice_is_one_generation(door: Any) -> None:
    first, second = [(await door.order(style="modern", key="one wish")).json() for _ in range(2)]
    assert first["id"] == second["id"]


async def test_an_empty_cart_is_said_to_be_empty(door: Any) -> None:
    answer = await door.ask("POST", "/generations", json={}, cookies={"shop_session-id": "somebody-new"})
    assert (answer.status_code, answer.json()["reason"]) == (200, "CART_EMPTY")


async def test_anothers_generation_is_not_found(door: Any) -> None:
    mine = (await door.order(style="modern")).json()
    asked = await door.ask("GET", f"/generations/{mine['id']}", cookies={"shop_session-id": "thief"})
    assert (asked.json()["status"], asked.json()["reason"]) == ("not_found", "NOT_FOUND")
    assert (await door.done(mine))["status"] == "completed"


async def test_a_photo_that_is_none_is_refused_in_words(door: Any) -> None:
    sent = await door.ask("POST", "/backgrounds", content=b"GIF89a", headers={"content-type": "image/png"})
    assert (sent.status_code, sent.json()["status"]) == (200, "failed")
    assert sent.json()["reason"] in {"UNSUPPORTED_FORMAT", "IMAGE_UNREADABLE"}


async def test_what_is_not_there_is_not_found(door: Any) -> None:
    missing = (
        *("", "/", "/generations", "/pictures", "/metrics", "/healthz", "/../metrics", "/generations/a/b"),
        *(
            "/pictures/../../metrics",
            "/pictures/x.jpg",
            f"/{KEY}",
            f"/x/{KEY}",
            f"/{KEY}/x",
            "/generations/%2e%2e",
        ),
    )
    for path in missing:
        answer = await door.ask("GET", path)
        # The shop's router leads a path with dots to the one without, outside of ours.
        away = answer.status_code == 301 and (".." in path or "%2e" in path)
        assert answer.status_code == 404 or away, path


@pytest.mark.parametrize("base", ["", "/online-boutique"])
async def test_the_session_is_the_cookies_and_cannot_be_sent_by_the_page(
    opened: Any, wayward: Any, base: str
) -> None:
    servicer, port = wayward
    async with opened(port, 1, base) as door:
        servicer.image = f"https://elsewhere.example/x/{KEY}?signature=1"
        answer = await door.order(
            style="vintage",
            shape="3:4",
            key="k",
            background=f"https://any/imagegen/backgrounds/{NAME}",
        )
        assert answer.status_code == 200
        asked = servicer.asked[-1]
        assert (asked.user_id, asked.style_preference, asked.aspect_ratio) == (
            "demo-shopper",
            "vintage",
            "3:4",
        )
        assert (asked.idempotency_key, len(asked.cart_items)) == ("k", 0)
        # The picture comes through the shop, wherever the service says that it is.
        assert answer.json()["image"] == f"{base}/imagegen/{KEY}"
        assert asked.background_image_url == f"{base}/imagegen/backgrounds/{NAME}"
        assert "demo-shopper" not in answer.text

        await door.ask("GET", "/generations/g1?user_id=other")
        assert servicer.asked[-1].user_id == "demo-shopper"
        await door.ask(
            "POST", "/backgrounds?user_id=other", content=b"x", headers={"content-type": "image/png"}
        )
        assert servicer.asked[-1].user_id == "demo-shopper"

        heard = len(servicer.asked)
        for field in ({"user_id": "other"}, {"cart_items": []}, {"userId": "other"}, {"style": 1}):
            answer = await door.order(**field)
            assert (answer.status_code, answer.json()["reason"]) == (400, "INVALID_REQUEST")
        assert len(servicer.asked) == heard


@pytest.mark.parametrize(
    "background",
    ["http://169.254.169.254/latest", "https://evil.example/a.jpg", "/static/x.jpg", f"/imagegen/{KEY}/../x"],
)
async def test_only_what_was_uploaded_is_a_background(opened: Any, wayward: Any, background: str) -> None:
    servicer, port = wayward
    async with opened(port) as door:
        answer = await door.order(background=background)
    assert (answer.status_code, answer.json()["reason"]) == (400, "URL_NOT_ALLOWED")
    assert servicer.asked == []


@pytest.mark.parametrize(
    ("path", "headers", "body", "code", "reason"),
    [
        ("/generations", {"content-type": "text/plain"}, b"{}", 415, "INVALID_REQUEST"),
        (
            "/generations",
            {"content-type": "application/x-www-form-urlencoded"},
            b"a=b",
            415,
            "INVALID_REQUEST",
        ),
        ("/generations", JSON, b"{", 400, "INVALID_REQUEST"),
        ("/generations", JSON, b"[]", 400, "INVALID_REQUEST"),
        ("/generations", JSON, b"", 400, "INVALID_REQUEST"),
        ("/backgrounds", {"content-type": "multipart/form-data"}, b"x", 415, "UNSUPPORTED_FORMAT"),
        ("/backgrounds", {"content-type": "image/jpeg"}, bytes(4 * 1024 * 1024 + 1), 413, "IMAGE_TOO_LARGE"),
    ],
)
async def test_what_another_site_could_send_and_what_is_too_large_is_refused(
    opened: Any, wayward: Any, path: str, headers: Any, body: bytes, code: int, reason: str
) -> None:
    servicer, port = wayward
    async with opened(port) as door:
        answer = await door.ask("POST", path, content=body, headers=headers)
    assert (answer.status_code, answer.json()["reason"]) == (code, reason)
    assert servicer.asked == []


async def test_the_largest_photo_arrives_whole(opened: Any, wayward: Any) -> None:
    servicer, port = wayward
    async with opened(port) as door:
        body = bytes(4 * 1024 * 1024)
        answer = await door.ask("POST", "/backgrounds", content=body, headers={"content-type": "image/jpeg"})
    assert answer.status_code == 200
    assert len(servicer.asked[-1].image_data) == (len(body) + 2) // 3 * 4


@pytest.mark.parametrize(
    ("code", "status", "reason", "after"),
    [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, 429, "OVERLOADED", "5"),
        (grpc.StatusCode.UNAVAILABLE, 503, "UNAVAILABLE", "2"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, 504, "DEADLINE_EXCEEDED", "2"),
        (grpc.StatusCode.INVALID_ARGUMENT, 400, "INVALID_REQUEST", None),
        (grpc.StatusCode.INTERNAL, 502, "INTERNAL", None),
        (grpc.StatusCode.UNKNOWN, 502, "INTERNAL", None),
    ],
)
async def test_a_gRPC_error_becomes_an_HTTP_one_without_its_details(
    opened: Any, wayward: Any, code: Any, status: int, reason: str, after: str | None
) -> None:
    servicer, port = wayward
    servicer.code = code
    async with opened(port) as door:
        answers = [
            await door.order(style="modern"),
            await door.ask("GET", "/generations/g1"),
            await door.ask("POST", "/backgrounds", content=b"x", headers={"content-type": "image/png"}),
        ]
    for answer in answers:
        assert (answer.status_code, answer.json()) == (
            status,
            {"status": "failed", "reason": reason} | _progress(answer),
        )
        assert answer.headers.get("retry-after") == after
        assert "SECRET" not in answer.text


def _progress(answer: Any) -> dict[str, int]:
    # Go writes a zero out.
    return {"progress": 0} if "progress" in answer.json() else {}


async def test_two_uploads_at_once_and_the_third_waits_its_turn(opened: Any, wayward: Any) -> None:
    servicer, port = wayward
    servicer.release.clear()
    async with opened(port) as door:
        sending = [
            asyncio.create_task(
                door.ask("POST", "/backgrounds", content=b"x", headers={"content-type": "image/png"})
            )
            for _ in range(3)
        ]
        async with asyncio.timeout(10):
            for _ in range(2):
                await servicer.arrived.acquire()
        await asyncio.sleep(0.1)  # for a third that should not come
        assert len(servicer.asked) == 2
        servicer.release.set()
        assert [(await task).status_code for task in sending] == [200, 200, 200]


async def test_a_picture_that_cannot_be_had_is_no_picture(opened: Any, wayward: Any) -> None:
    _, port = wayward
    async with opened(port, 1) as door:
        answer = await door.ask("GET", f"/{KEY}")
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (502, "application/json")
