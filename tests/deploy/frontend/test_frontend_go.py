"""The Go files: laid out as gofmt does, compiled and vetted with the shop's libraries, silent when unset."""

from __future__ import annotations

import subprocess
from typing import Any

import httpx2
import pytest
from workshop import FRONTEND, Go

pytestmark = pytest.mark.timeout(600)  # the first that needs it compiles gRPC


def test_they_are_laid_out_as_gofmt_does(go: Go) -> None:
    files = [str(file) for file in FRONTEND.glob("*.go")]
    assert len(files) == 2
    command = [str(go.root / "bin/gofmt"), "-l", "-s", *files]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == ""


def test_they_compile_with_the_shops_libraries_and_vet_finds_nothing(go: Go, program: Any) -> None:
    assert program.stat().st_size > 1_000_000
    assert go("vet", ".") == ""


def test_the_routes_need_the_standard_library_alone(go: Go) -> None:
    imported = go(
        "list", "-f", "{{ range .Imports }}{{ . }} {{ end }}", str(FRONTEND / "imagegen.go")
    ).split()
    assert imported
    assert not [name for name in imported if "." in name]


async def test_without_the_variable_nothing_is_shown_and_nothing_panics(opened_go: Any) -> None:
    async with opened_go(None) as door, httpx2.AsyncClient() as client:
        page = await client.get(f"{door.url}/cart")
        assert page.status_code == 200
        assert "imagegen" not in page.text
        assert (await door.order(style="modern")).status_code == 404


async def test_the_shop_starts_and_says_so_while_the_service_is_away(opened_go: Any) -> None:
    async with opened_go(1, 1) as door, httpx2.AsyncClient() as client:
        page = await client.get(f"{door.url}/cart")
        assert 'data-base="/imagegen"' in page.text
        answer = await door.order(style="modern")
        assert (answer.status_code, answer.json()["reason"]) == (503, "UNAVAILABLE")
        assert "did not answer" in "".join(door.logged)


@pytest.mark.parametrize("base", ["", "/online-boutique"])
async def test_the_template_prints_the_base_url_and_nothing_inline(opened_go: Any, base: str) -> None:
    async with opened_go(1, 1, base) as door, httpx2.AsyncClient() as client:
        page = (await client.get(f"{door.url}/cart")).text
        assert f'src="{base}/static/imagegen/imagegen.js" defer' in page
        assert f'href="{base}/static/imagegen/imagegen.css"' in page
        for name in ("imagegen.js", "imagegen.css"):
            assert (await client.get(f"{door.url}/static/imagegen/{name}")).status_code == 200
        for inline in ("style=", "onclick", "<script>", "javascript:"):
            assert inline not in page


async def test_a_trace_goes_on_in_the_service(opened_go: Any, wayward: Any) -> None:
    servicer, port = wayward
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with opened_go(port) as door:
        await door.ask("POST", "/generations", json={}, headers={"traceparent": trace})
    assert servicer.metadata["traceparent"] == trace
