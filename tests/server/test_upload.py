"""UploadBackground, and who may use what was uploaded."""

from __future__ import annotations

import asyncio
import base64
import io

import httpx2
import numpy as np
import pytest
from fakes.gemini import FakeGemini
from fakes.service import CUP, Service, Start, base64_of, photo
from PIL import Image

from imagegenservice.pb import imagegen_pb2 as pb


async def upload_text(service: Service, text: str, **fields: str) -> pb.UploadBackgroundResponse:
    request = pb.UploadBackgroundRequest(image_data=text, **fields)
    return await service.stub.UploadBackground(request, timeout=15)


async def fetched(url: str) -> Image.Image:
    async with httpx2.AsyncClient() as client:
        answer = await client.get(url)
    assert answer.status_code == 200
    return Image.open(io.BytesIO(answer.content))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
async def test_a_picture_is_taken_in_and_can_be_loaded(service: Service, form: str) -> None:
    answer = await service.upload(photo(form=form))
    assert (answer.status, answer.error_message, answer.error_reason) == ("success", "", "")
    assert (answer.width, answer.height, answer.media_type) == (64, 48, "image/jpeg")
    assert answer.expires_at.ToSeconds() > 0
    assert answer.image_url.startswith(f"{service.http}/backgrounds/")
    assert (await fetched(answer.image_url)).size == (64, 48)


async def test_a_data_url_and_line_breaks_are_taken_as_well(service: Service) -> None:
    plain = base64_of(photo())
    lines = "\r\n".join(plain[at : at + 76] for at in range(0, len(plain), 76))
    answers = [
        await upload_text(service, text)
        for text in (plain, lines, f"data:image/jpeg;base64,{plain}", f"DATA:IMAGE/PNG;BASE64,{plain}")
    ]
    assert {answer.status for answer in answers} == {"success"}
    assert len({answer.image_url for answer in answers}) == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "BASE64_INVALID"),
        ("not base64!", "BASE64_INVALID"),
        ("QUJD\0QUJD", "BASE64_INVALID"),
        ("QQ==QQ==", "BASE64_INVALID"),
        ("_-8=", "BASE64_INVALID"),
        ("QUJ", "BASE64_INVALID"),
        ('"QUJD"', "BASE64_INVALID"),
        ("data:text/html;base64,QUJD", "BASE64_INVALID"),
        ("QUJD", "UNSUPPORTED_FORMAT"),
        (base64.b64encode(b"<svg xmlns='http://www.w3.org/2000/svg'/>").decode(), "UNSUPPORTED_FORMAT"),
        (base64.b64encode(b"GIF89a" + bytes(100)).decode(), "UNSUPPORTED_FORMAT"),
        (base64_of(photo())[:400], "IMAGE_UNREADABLE"),
        (base64_of(base64_of(photo()).encode()), "UNSUPPORTED_FORMAT"),
    ],
)
async def test_what_is_no_picture_is_refused_with_a_reason(service: Service, text: str, reason: str) -> None:
    answer = await upload_text(service, text)
    assert (answer.status, answer.error_reason, answer.image_url) == ("failed", reason, "")
    assert answer.error_message.startswith("image_data: ")
    assert "Traceback" not in answer.error_message


async def test_a_picture_over_the_limits_is_refused_before_it_is_decoded(start: Start) -> None:
    service = await start(max_pixels=10_000, max_side=500)
    assert (await service.upload(photo(101, 100))).error_reason == "IMAGE_TOO_LARGE"
    assert (await service.upload(photo(501, 1))).error_reason == "IMAGE_TOO_LARGE"
    assert (await service.upload(photo(100, 100))).status == "success"


async def test_a_bomb_is_refused_from_its_header(service: Service) -> None:
    # A lossless WebP (RFC 9649): 14 bits of width - 1, 14 bits of height - 1, an image of one colour.
    size = (13_299 | 13_299 << 14).to_bytes(4, "little")
    bomb = bytes.fromhex("52494646 1a000000 57454250 5650384c 0e000000 2f") + size + bytes(9)
    assert len(bomb) < 60
    answer = await service.upload(bomb)
    assert (answer.status, answer.error_reason) == ("failed", "IMAGE_TOO_LARGE")


async def test_more_bytes_than_the_limit_are_refused_in_words(start: Start) -> None:
    service = await start(max_upload_bytes=4096)
    answer = await service.upload(bytes(4097))
    assert (answer.status, answer.error_reason) == ("failed", "IMAGE_TOO_LARGE")
    assert "4096" in answer.error_message


async def test_a_large_picture_is_made_smaller_and_keeps_its_shape(service: Service) -> None:
    answer = await service.upload(photo(3000, 1500))
    assert (answer.width, answer.height) == (2048, 1024)


async def test_metadata_and_what_hangs_behind_the_picture_are_gone(service: Service) -> None:
    image = Image.open(io.BytesIO(photo()))
    exif = Image.Exif()
    exif[0x010F] = "SECRET-CAMERA"
    exif[0x0112] = 6
    out = io.BytesIO()
    image.save(out, "JPEG", exif=exif, comment=b"SECRET-COMMENT")
    answer = await service.upload(out.getvalue() + b"SECRET-TRAILER")
    assert (answer.width, answer.height) == (48, 64), "turned upright"
    async with httpx2.AsyncClient() as client:
        stored = (await client.get(answer.image_url)).content
    assert b"SECRET" not in stored
    assert not Image.open(io.BytesIO(stored)).getexif()
    pixels = np.asarray(Image.open(io.BytesIO(stored)))
    assert pixels[:20, -20:].mean() > 230, "the bright corner turned from top left to top right"


async def test_the_same_picture_is_stored_once_for_each_owner(service: Service) -> None:
    data = photo()
    anonymous = [await service.upload(data) for _ in range(2)]
    ann = await service.upload(data, user_id="ann")
    bob = await service.upload(data, user_id="bob")
    assert anonymous[0].image_url == anonymous[1].image_url
    assert len({anonymous[0].image_url, ann.image_url, bob.image_url}) == 3


async def test_only_its_owner_uses_a_background(service: Service) -> None:
    anns = await service.upload(photo(), user_id="ann")
    refused = await service.generate(CUP, user_id="mallory", background_image_url=anns.image_url)
    assert (refused.status, refused.error_reason) == ("failed", "URL_NOT_ALLOWED")
    nobody = await service.generate(CUP, background_image_url=anns.image_url)
    assert nobody.error_message == refused.error_message
    unknown = anns.image_url.replace("/backgrounds/", "/backgrounds/0")
    guessed = await service.generate(CUP, user_id="mallory", background_image_url=unknown)
    assert guessed.error_message == refused.error_message
    assert await service.drawn(CUP, user_id="ann", background_image_url=anns.image_url)


async def test_whoever_knows_the_url_of_an_anonymous_upload_uses_it(service: Service) -> None:
    uploaded = await service.upload(photo())
    for user in ("ann", ""):
        answer = await service.generate(CUP, user_id=user, background_image_url=uploaded.image_url)
        assert answer.status == "processing"


async def test_our_own_url_is_recognised_on_whatever_host_and_never_fetched(service: Service) -> None:
    path = (await service.upload(photo())).image_url.partition("/backgrounds/")[2]
    for base in ("https://shop.example/imagegen", "http://10.0.0.1:1", "gs://bucket", ""):
        answer = await service.drawn(CUP, background_image_url=f"{base}/backgrounds/{path}")
        assert answer.status == "completed"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/x.png",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "gopher://x",
        "//host/x",
        "javascript:alert(1)",
        "http://[::1]/",
        "http://example.com/x.jpg",
        "backgrounds/../../etc/passwd",
        "x" * 2048,
        "\n",
    ],
)
async def test_a_foreign_url_is_refused_with_one_message(service: Service, url: str) -> None:
    answer = await service.generate(CUP, background_image_url=url)
    assert (answer.status, answer.error_reason) == ("failed", "URL_NOT_ALLOWED")
    assert answer.error_message.startswith("background_image_url: this URL is not allowed.")


async def test_a_picture_of_a_drawing_is_no_background(service: Service) -> None:
    drawn = await service.drawn(CUP)
    answer = await service.generate(CUP, background_image_url=drawn.image_url)
    assert answer.error_reason == "URL_NOT_ALLOWED"


async def test_a_background_lasts_until_what_waits_with_it_is_drawn(gemini: FakeGemini, start: Start) -> None:
    service = await start(
        image_models=("gemini://?concurrency=1",), gemini_api_key=gemini.key, background_days=1 / 86_400
    )
    gemini.mode = "hang"
    await service.generate(CUP)
    await gemini.arrived(1)
    uploaded = await service.upload(photo())
    waiting = await service.generate(CUP, background_image_url=uploaded.image_url)
    await asyncio.sleep(1.05)  # the lifetime itself
    await service.running.app.sweep.clear()
    late = await service.generate(CUP, background_image_url=uploaded.image_url, seed=1)
    assert late.error_reason == "URL_NOT_ALLOWED"
    gemini.release.set()
    assert (await service.ended(waiting.generation_id)).status == "completed"
