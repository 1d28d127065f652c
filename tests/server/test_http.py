"""The HTTP door: probes, metrics and pictures."""

from __future__ import annotations

import hashlib
import io

import httpx2
import pytest
from fakes.service import CUP, Service, Start, photo
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families


async def get(service: Service, path: str, method: str = "GET") -> httpx2.Response:
    async with httpx2.AsyncClient() as client:
        return await client.request(method, f"{service.http}{path}")


async def test_the_probes_answer(service: Service) -> None:
    assert (await get(service, "/healthz")).text == "ok"
    ready = await get(service, "/readyz")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready"})


async def test_a_draining_replica_is_alive_but_not_ready(service: Service) -> None:
    service.running.readiness.ready = False
    assert (await get(service, "/healthz")).status_code == 200
    assert (await get(service, "/readyz")).status_code == 503


async def test_metrics_are_there_for_prometheus_and_name_no_shopper(service: Service) -> None:
    await service.drawn(CUP, user_id="SECRET-COOKIE")
    await service.drawn(CUP, user_id="SECRET-COOKIE")
    page = await get(service, "/metrics")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/plain")
    families = {family.name: family for family in text_string_to_metric_families(page.text)}
    orders = {
        sample.labels["how"]: sample.value
        for sample in families["imagegen_orders"].samples
        if sample.name.endswith("_total")
    }
    assert orders == {"queued": 1, "cached": 1}
    assert "SECRET" not in page.text


async def test_a_picture_comes_with_headers_that_keep_it_a_picture(service: Service) -> None:
    answer = await service.drawn(CUP)
    picture = await get(service, answer.image_url.removeprefix(service.http))
    assert picture.status_code == 200
    assert picture.headers["content-type"] == "image/jpeg"
    assert picture.headers["x-content-type-options"] == "nosniff"
    assert picture.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert picture.headers["cache-control"].startswith("private")
    assert "server" not in picture.headers
    assert Image.open(io.BytesIO(picture.content)).size == (256, 256)


@pytest.mark.parametrize("form", ["png", "webp"])
async def test_the_configured_format_is_what_is_served(start: Start, form: str) -> None:
    service = await start(picture_format=form)
    answer = await service.drawn(CUP)
    picture = await get(service, answer.image_url.removeprefix(service.http))
    assert picture.headers["content-type"] == answer.media_type == f"image/{form}"
    assert Image.open(io.BytesIO(picture.content)).format == form.upper()


async def test_a_picture_can_be_asked_for_without_its_body(service: Service) -> None:
    uploaded = await service.upload(photo())
    path = uploaded.image_url.removeprefix(service.http)
    head, whole = await get(service, path, "HEAD"), await get(service, path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.content))
    assert hashlib.sha256(whole.content).hexdigest() != "", "it has a body"


@pytest.mark.parametrize("folder", ["pictures", "backgrounds", "secrets", ".."])
@pytest.mark.parametrize(
    "name",
    [
        "0" * 40 + ".jpg",
        "..%2fstate.sqlite3",
        "%2e%2e/%2e%2e/etc/passwd",
        "a" * 40,
        "A" * 40 + ".jpg",
        "%00",
        "x" * 4000,
    ],
)
async def test_every_other_path_is_not_found(service: Service, folder: str, name: str) -> None:
    answer = await get(service, f"/{folder}/{name}")
    assert answer.status_code == 404


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/pictures", "/pictures/", "/metrics/x"])
async def test_there_is_nothing_else_to_see(service: Service, path: str) -> None:
    assert (await get(service, path)).status_code in {404, 307}


async def test_pictures_are_only_read(service: Service) -> None:
    for method in ("POST", "PUT", "DELETE"):
        assert (await get(service, "/pictures/" + "0" * 40 + ".jpg", method)).status_code == 405


async def test_the_public_url_is_what_answers_name(start: Start) -> None:
    service = await start(public_url="https://shop.example/imagegen/")
    answer = await service.drawn(CUP)
    assert answer.image_url.startswith("https://shop.example/imagegen/pictures/")
