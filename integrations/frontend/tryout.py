"""The dialog in a browser, in one command: the real service, the sample shop, and a page with its cart."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import bridge
import uvicorn
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from imagegenservice.__main__ import running
from imagegenservice.demo import pictures
from imagegenservice.demo.__main__ import settings_for_demo
from imagegenservice.demo.products import PRODUCTS, SampleProduct
from imagegenservice.demo.shop import SHOPPER
from imagegenservice.settings import Settings

HERE: Final = Path(__file__).parent
ASSETS: Final = {"imagegen.css": "text/css", "imagegen.js": "text/javascript"}
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""As strict as a shop may wish: nothing inline, nothing from elsewhere."""

STYLE: Final = """
body { color: #1f2a30; font: 16px/1.5 system-ui, sans-serif; margin: 0; background: #fafaf8; }
main { margin: 0 auto; max-width: 46rem; padding: 1.5rem 1.25rem 4rem; }
.line { align-items: center; border-bottom: 1px solid #e6e6e2; display: flex; gap: 1.25rem; }
.line { padding: .9rem 0; }
.line img { border-radius: 10px; height: 88px; object-fit: cover; width: 88px; }
.line h2 { font-size: 1rem; margin: 0; } .line p { color: #58666e; margin: 0; }
"""


def studio(base_url: str) -> str:
    """The template's button and dialog, as html/template prints them: there is one name to fill in."""
    text = (HERE / "templates" / "imagegen.html").read_text(encoding="utf-8")
    body = re.search(r'{{ define "imagegen_studio" }}(.*){{ end }}', text, re.DOTALL)
    if body is None:
        raise LookupError("imagegen_studio")
    return body[1].replace("{{ $.baseUrl }}", html.escape(base_url))


def pages(
    base_url: str, session: str = SHOPPER, lines: Sequence[SampleProduct] = PRODUCTS[:5]
) -> list[Route]:
    """The cart of the sample shop, its products' pictures, and the dialog's script and style."""

    async def cart(_: Request) -> Response:
        listed = "".join(_line(base_url, product) for product in lines)
        page = (
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Cart</title>'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<link rel="stylesheet" href="{base_url}/static/shop.css"></head>'
            f"<body><main><h1>Your cart</h1>{listed}{studio(base_url)}</main></body></html>"
        )
        answer = HTMLResponse(page, headers={"content-security-policy": POLICY})
        answer.set_cookie(bridge.COOKIE, session, httponly=True)
        return answer

    async def picture(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in {product.id for product in PRODUCTS}:
            return PlainTextResponse("not found", 404)
        return Response(pictures.jpeg(name), media_type="image/jpeg")

    async def asset(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in ASSETS:
            return PlainTextResponse("not found", 404)
        return FileResponse(HERE / "static" / "imagegen" / name, media_type=ASSETS[name])

    async def style(_: Request) -> Response:
        return Response(STYLE, media_type="text/css")

    return [
        Route(f"{base_url}/cart", cart),
        Route(f"{base_url}/static/img/{{name}}", picture),
        Route(f"{base_url}/static/imagegen/{{name}}", asset),
        Route(f"{base_url}/static/shop.css", style),
    ]


def _line(base_url: str, product: SampleProduct) -> str:
    return (
        f'<article class="line"><img src="{base_url}/static/img/{product.id}" alt="">'
        f"<div><h2>{html.escape(product.name)}</h2><p>{html.escape(product.description)}</p></div></article>"
    )


@asynccontextmanager
async def shop(base_url: str, grpc_port: int, http_port: int, port: int = 0) -> AsyncIterator[int]:
    """The sample shop's cart before a running service; gives the port of the page."""
    async with bridge.opened(base_url, f"127.0.0.1:{grpc_port}", f"127.0.0.1:{http_port}") as routes:
        app = bridge.application(routes, *pages(base_url))
        config = uvicorn.Config(app, host="127.0.0.1", port=port, access_log=False, log_config=None)
        server = uvicorn.Server(config)
        config.load()
        server.lifespan = config.lifespan_class(config)
        await server.startup()
        serving = asyncio.create_task(server.main_loop())
        try:
            yield server.servers[0].sockets[0].getsockname()[1]
        finally:
            server.should_exit = True
            await serving
            await server.shutdown()


async def main(settings: Settings) -> None:
    """Serve until Ctrl-C."""
    async with running(settings) as service, shop("", service.grpc.port, service.http_port, 8082) as port:
        print(f"http://127.0.0.1:{port}/cart")  # noqa: T201 - what it was started for
        await asyncio.Event().wait()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main(settings_for_demo()))
