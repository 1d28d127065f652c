"""
The routes of imagegen.go in Python, for a shop whose frontend is not rebuilt.

It runs in the picture service's own image, beside it, and a path route of the shop's gateway leads
{BASE_URL}/imagegen to it. See docs/frontend.md.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import grpc
import grpc.aio
import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from imagegenservice.pb import imagegen_pb2 as pb
from imagegenservice.pb import imagegen_pb2_grpc as pb_grpc

COOKIE: Final = "shop_session-id"
CALL_TIMEOUT: Final = 12.0
UPLOAD_TIMEOUT: Final = 45.0
PICTURE_TIMEOUT: Final = 20.0
ARRIVAL: Final = 30.0
MAX_ORDER: Final = 8 << 10
MAX_UPLOAD: Final = 4 << 20
UPLOADS: Final = 2

KEY: Final = re.compile(r"(?:^|/)((?:pictures|backgrounds)/[0-9a-f]{40}\.(?:jpg|png|webp))$")
ID: Final = re.compile(r"[0-9A-Za-z_-]{1,128}")
FIELDS: Final = {"style", "shape", "background", "key"}
TYPES: Final = {"image/jpeg", "image/png", "image/webp"}
FAULTS: Final = {
    grpc.StatusCode.RESOURCE_EXHAUSTED: (429, "OVERLOADED", 5),
    grpc.StatusCode.UNAVAILABLE: (503, "UNAVAILABLE", 2),
    grpc.StatusCode.DEADLINE_EXCEEDED: (504, "DEADLINE_EXCEEDED", 2),
    grpc.StatusCode.INVALID_ARGUMENT: (400, "INVALID_REQUEST", 0),
}


class Fault(Exception):
    """A request that had no answer: an HTTP status, a reason, and when it may help to come back."""

    def __init__(self, code: int, reason: str, after: int = 0) -> None:
        super().__init__(reason)
        self.code, self.reason, self.after = code, reason, after


@dataclass
class Bridge:
    """What the routes need. `base` is BASE_URL + /imagegen; `pictures` the service's HTTP port."""

    base: str
    pictures: str
    stub: pb_grpc.ImageGenerationServiceAsyncStub
    client: httpx2.AsyncClient
    uploads: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(UPLOADS))

    def routes(self) -> list[Route]:
        """Everything below *base*."""
        return [
            Route(f"{self.base}/generations", self.order, methods=["POST"]),
            Route(f"{self.base}/generations/{{id}}", self.follow, methods=["GET"]),
            Route(f"{self.base}/backgrounds", self.take_in, methods=["POST"]),
            Route(f"{self.base}/{{folder}}/{{name}}", self.show, methods=["GET"]),
        ]

    async def order(self, request: Request) -> Response:
        """Order the picture of the session's own cart."""
        # A form of another site cannot send this type.
        if not request.headers.get("content-type", "").startswith("application/json"):
            raise Fault(415, "INVALID_REQUEST")
        wish = _wish(await _body(request, MAX_ORDER, "INVALID_REQUEST"))
        background = wish["background"]
        if background:
            if not (key := KEY.search(background)):
                raise Fault(400, "URL_NOT_ALLOWED")
            background = f"{self.base}/{key[1]}"
        call = pb.GenerateCartImageRequest(
            user_id=_user(request),
            style_preference=wish["style"],
            aspect_ratio=wish["shape"],
            background_image_url=background,
            idempotency_key=wish["key"],
        )
        return self._state(await self.stub.GenerateCartImage(call, timeout=CALL_TIMEOUT))

    async def follow(self, request: Request) -> Response:
        """Say how a generation of this session stands."""
        if not ID.fullmatch(request.path_params["id"]):
            raise Fault(404, "NO_SUCH_PAGE")
        call = pb.GetStatusRequest(generation_id=request.path_params["id"], user_id=_user(request))
        return self._state(await self.stub.GetImageGenerationStatus(call, timeout=CALL_TIMEOUT))

    async def take_in(self, request: Request) -> Response:
        """Hand a background on."""
        if not request.headers.get("content-type", "").startswith("image/"):
            raise Fault(415, "UNSUPPORTED_FORMAT")
        async with self.uploads:
            data = await _body(request, MAX_UPLOAD, "IMAGE_TOO_LARGE")
            call = pb.UploadBackgroundRequest(
                image_data=base64.b64encode(data).decode(), user_id=_user(request)
            )
            answer = await self.stub.UploadBackground(call, timeout=UPLOAD_TIMEOUT)
        return _json(
            {
                "status": answer.status,
                "background": self._own(answer.image_url),
                "reason": answer.error_reason,
                "message": answer.error_message,
            }
        )

    async def show(self, request: Request) -> Response:
        """Pass a picture on."""
        key = f"{request.path_params['folder']}/{request.path_params['name']}"
        if not KEY.fullmatch(key):
            raise Fault(404, "NO_SUCH_PAGE")
        ask = self.client.build_request("GET", f"{self.pictures}/{key}")
        found = await self.client.send(ask, stream=True)
        if found.status_code != 200 or found.headers.get("content-type") not in TYPES:
            await found.aclose()
            known = {404: Fault(404, "NOT_FOUND"), 429: Fault(429, "OVERLOADED", 2)}
            raise known.get(found.status_code, Fault(502, "UNAVAILABLE", 2))
        headers = {
            name: found.headers[name]
            for name in ("content-type", "content-length", "cache-control")
            if name in found.headers
        }
        headers["content-security-policy"] = "default-src 'none'; sandbox"
        headers["x-content-type-options"] = "nosniff"
        if request.query_params.get("download"):
            suffix = key.rpartition(".")[2]
            headers["content-disposition"] = f'attachment; filename="my-cart.{suffix}"'
        return StreamingResponse(_bytes(found), headers=headers)

    def _state(self, answer: pb.GenerateCartImageResponse | pb.GetStatusResponse) -> Response:
        return _json(
            {
                "id": answer.generation_id,
                "status": answer.status,
                "stage": answer.stage,
                "progress": answer.progress,
                "image": self._own(answer.image_url),
                "engine": answer.engine,
                "left_out": len(answer.products_left_out),
                "reason": answer.error_reason,
                "message": answer.error_message,
            }
        )

    def _own(self, image: str) -> str:
        key = KEY.search(image.partition("?")[0])
        return f"{self.base}/{key[1]}" if key else image


def _user(request: Request) -> str:
    """The session, from the cookie alone: what a page says about its user is not asked."""
    if not (session := request.cookies.get(COOKIE)):
        raise Fault(400, "CART_EMPTY")
    return session


def _wish(body: bytes) -> dict[str, str]:
    try:
        wish = json.loads(body)
    except ValueError:
        raise Fault(400, "INVALID_REQUEST") from None
    if not isinstance(wish, dict) or not set(wish) <= FIELDS:
        raise Fault(400, "INVALID_REQUEST")
    if not all(isinstance(value, str) for value in wish.values()):
        raise Fault(400, "INVALID_REQUEST")
    return {name: wish.get(name, "") for name in FIELDS}


async def _body(request: Request, most: int, too_large: str) -> bytes:
    data = bytearray()
    try:
        async with asyncio.timeout(ARRIVAL):
            async for chunk in request.stream():
                data += chunk
                if len(data) > most:
                    raise Fault(413, too_large)
    except TimeoutError:
        raise Fault(408, "TOO_SLOW") from None
    except ClientDisconnect:
        raise Fault(400, "INVALID_REQUEST") from None
    return bytes(data)


async def _bytes(found: httpx2.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in found.aiter_raw():
            yield chunk
    finally:
        await found.aclose()


def _json(state: dict[str, object], code: int = 200, after: int = 0) -> Response:
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    if after:
        headers["retry-after"] = str(after)
    return JSONResponse({name: value for name, value in state.items() if value not in {"", 0}}, code, headers)


async def _on_fault(_: Request, exc: Exception) -> Response:
    code, reason, after = 502, "INTERNAL", 0
    if isinstance(exc, Fault):
        code, reason, after = exc.code, exc.reason, exc.after
    elif isinstance(exc, grpc.aio.AioRpcError):
        code, reason, after = FAULTS.get(exc.code(), (502, "INTERNAL", 0))
    elif isinstance(exc, httpx2.HTTPError):
        code, reason, after = 502, "UNAVAILABLE", 2
    return _json({"status": "failed", "reason": reason}, code, after)


async def _no_route(request: Request, _: Exception) -> Response:
    return await _on_fault(request, Fault(404, "NO_SUCH_PAGE"))


def application(bridge: Bridge, *pages: Route) -> Starlette:
    """The routes and, for the sample shop, *pages* beside them."""

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok")

    return Starlette(
        routes=[*pages, *bridge.routes(), Route("/healthz", healthz)],
        exception_handlers={
            Fault: _on_fault,
            grpc.aio.AioRpcError: _on_fault,
            httpx2.HTTPError: _on_fault,
            404: _no_route,
            405: _no_route,
        },
    )


@asynccontextmanager
async def opened(base_url: str, service: str, pictures: str) -> AsyncIterator[Bridge]:
    """Connect to the service's two ports, both host:port; neither need be there yet."""
    async with (
        grpc.aio.insecure_channel(service) as channel,
        httpx2.AsyncClient(timeout=PICTURE_TIMEOUT) as client,
    ):
        stub = pb_grpc.ImageGenerationServiceStub(channel)
        yield Bridge(f"{base_url}/imagegen", f"http://{pictures}", stub, client)


async def main() -> None:
    """Serve with the settings of the environment."""
    service = os.environ["IMAGE_GENERATION_SERVICE_ADDR"]
    pictures = os.environ.get("IMAGE_GENERATION_SERVICE_HTTP_ADDR") or f"{service.rpartition(':')[0]}:8081"
    async with opened(os.environ.get("BASE_URL", ""), service, pictures) as bridge:
        port = int(os.environ.get("PORT") or "8080")
        config = uvicorn.Config(application(bridge), host="0.0.0.0", port=port, access_log=False)  # noqa: S104 - a pod's
        await uvicorn.Server(config).serve()


if __name__ == "__main__":
    asyncio.run(main())
