"""The frontend's routes, in Go and in Python, and a service behind them that does as it is told."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio
import httpx2
from fakes.service import CUP, Service, serving
from workshop import FRONTEND

from imagegenservice.demo.shop import SHOPPER, DemoCarts, serve_shop
from imagegenservice.pb import imagegen_pb2 as pb
from imagegenservice.pb import imagegen_pb2_grpc as pb_grpc

sys.path.append(str(FRONTEND))

import tryout

COOKIE = {"shop_session-id": "demo-shopper"}
CART = """{{ define "cart" }}<!doctype html>
<html lang="en"><body>{{ template "imagegen" . }}</body></html>{{ end }}"""


@dataclass
class Door:
    """The routes, as a browser reaches them. `logged` is what the shop's log was told."""

    url: str
    logged: list[str] = field(default_factory=list)

    async def ask(self, method: str, path: str, **kwargs: Any) -> httpx2.Response:
        async with httpx2.AsyncClient(cookies=kwargs.pop("cookies", COOKIE), timeout=40) as client:
            return await client.request(method, f"{self.url}/imagegen{path}", **kwargs)

    async def order(self, **fields: Any) -> httpx2.Response:
        return await self.ask("POST", "/generations", json=fields)

    async def done(self, state: dict[str, Any]) -> dict[str, Any]:
        """How it ended, asked for again and again, as the page does."""
        async with asyncio.timeout(30):
            while state["status"] == "processing":
                await asyncio.sleep(0.05)
                state = (await self.ask("GET", f"/generations/{state['id']}")).json()
        return state


@asynccontextmanager
async def with_one_cup() -> AsyncIterator[Service]:
    """The real service, and a shopper with a cart that is quickly drawn."""
    carts = DemoCarts()
    carts.carts[SHOPPER] = {CUP: 1}
    async with serve_shop(carts) as port, serving(cart_service_addr=f"127.0.0.1:{port}") as service:
        yield service


Open = Callable[..., AbstractAsyncContextManager[Door]]


@asynccontextmanager
async def in_python(grpc_port: int, http_port: int = 1, base_url: str = "") -> AsyncIterator[Door]:
    async with tryout.shop(base_url, grpc_port, http_port) as port:
        yield Door(f"http://127.0.0.1:{port}{base_url}")


def in_go(program: Path, folder: Path) -> Open:
    templates = folder / "templates"
    templates.mkdir(exist_ok=True)
    (templates / "cart.html").write_text(CART)
    (templates / "imagegen.html").write_bytes((FRONTEND / "templates/imagegen.html").read_bytes())

    @asynccontextmanager
    async def opened(grpc_port: int | None, http_port: int = 1, base_url: str = "") -> AsyncIterator[Door]:
        environment = {
            "BASE_URL": base_url,
            "TEMPLATES": str(templates),
            "STATIC": str(FRONTEND / "static"),
            "POLICY": tryout.POLICY,
        }
        if grpc_port is not None:
            environment["IMAGE_GENERATION_SERVICE_ADDR"] = f"127.0.0.1:{grpc_port}"
            environment["IMAGE_GENERATION_SERVICE_HTTP_ADDR"] = f"127.0.0.1:{http_port}"
        pipe = asyncio.subprocess.PIPE
        shop = await asyncio.create_subprocess_exec(str(program), env=environment, stdout=pipe, stderr=pipe)
        assert shop.stdout is not None
        assert shop.stderr is not None
        port = int(await asyncio.wait_for(shop.stdout.readline(), 20))
        door = Door(f"http://127.0.0.1:{port}{base_url}")
        reading = asyncio.create_task(_read(shop.stderr, door.logged))
        try:
            yield door
        finally:
            with suppress(ProcessLookupError):
                shop.kill()
            await reading
            await shop.wait()

    return opened


async def _read(stream: asyncio.StreamReader, lines: list[str]) -> None:
    while line := await stream.readline():
        lines.append(line.decode())


class Wayward(pb_grpc.ImageGenerationServiceServicer):
    """A service that answers as it is told to, and keeps what it was asked."""

    def __init__(self) -> None:
        self.code: grpc.StatusCode | None = None
        self.image = ""
        self.arrived = asyncio.Semaphore(0)
        self.release = asyncio.Event()
        self.release.set()
        self.asked: list[Any] = []
        self.metadata: dict[str, Any] = {}

    async def _heard(self, request: Any, context: Any) -> None:
        self.asked.append(request)
        self.arrived.release()
        self.metadata = dict(context.invocation_metadata())
        await self.release.wait()
        if self.code is not None:
            await context.abort(self.code, "SECRET-DETAIL")

    async def GenerateCartImage(self, request: Any, context: Any) -> pb.GenerateCartImageResponse:
        await self._heard(request, context)
        return pb.GenerateCartImageResponse(generation_id="g1", status="processing", image_url=self.image)

    async def GetImageGenerationStatus(self, request: Any, context: Any) -> pb.GetStatusResponse:
        await self._heard(request, context)
        return pb.GetStatusResponse(generation_id="g1", status="completed", image_url=self.image)

    async def UploadBackground(self, request: Any, context: Any) -> pb.UploadBackgroundResponse:
        await self._heard(request, context)
        return pb.UploadBackgroundResponse(status="success", image_url=self.image)
