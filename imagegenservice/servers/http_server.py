"""The HTTP door: health, metrics, and the pictures under their unguessable names."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from ..errors import KeyNotFound, Unavailable
from ..gallery import KEY, Gallery
from ..imaging.media import SUFFIXES
from ..neighbours import Neighbours
from ..telemetry import Metrics

_TYPES = {suffix: media_type for media_type, suffix in SUFFIXES.items()}
_PICTURE_HEADERS = {
    "cache-control": "private, max-age=86400, immutable",
    "content-security-policy": "default-src 'none'; sandbox",
    "cross-origin-resource-policy": "cross-origin",
    "x-content-type-options": "nosniff",
}


class Readiness:
    """Whether new calls are welcome; false from SIGTERM on."""

    def __init__(self) -> None:
        self.ready = True


def application(
    gallery: Gallery, metrics: Metrics, readiness: Readiness, neighbours: Neighbours
) -> Starlette:
    """
    The routes.

    Readiness does not depend on the neighbours: a replica that is taken away because a cloud is does not
    bring it back. Who is away is told all the same.
    """

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok")

    async def readyz(_: Request) -> Response:
        status = 200 if readiness.ready else 503
        word = "ready" if readiness.ready else "draining"
        return JSONResponse({"status": word, "neighbours": neighbours.states()}, status)

    async def metrics_page(_: Request) -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", metrics_page),
            Route("/{folder}/{name}", picture_of(gallery)),
        ]
    )


def picture_of(gallery: Gallery) -> Callable[[Request], Awaitable[Response]]:
    """The route of the pictures: only keys that look like ours are looked up."""

    async def picture(request: Request) -> Response:
        key = f"{request.path_params['folder']}/{request.path_params['name']}"
        if not KEY.fullmatch(key):
            return PlainTextResponse("not found", 404)
        try:
            data = await gallery.read(key)
        except KeyNotFound:
            return PlainTextResponse("not found", 404)
        except Unavailable as exc:
            return PlainTextResponse(exc.public, 503, {"retry-after": str(math.ceil(exc.retry_after or 1))})
        media_type = _TYPES[f".{key.rpartition('.')[2]}"]
        return Response(data, media_type=media_type, headers=_PICTURE_HEADERS)

    return picture


class _Server(uvicorn.Server):
    """Leaves the signals to whoever runs the loop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serve(app: Starlette, host: str, port: int) -> AsyncIterator[int]:
    """Serve until the block ends; gives the port. Raises OSError when it is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as exc:
        listener.close()
        raise OSError(f"the HTTP port {port} cannot be bound on {host}: {exc.strerror}") from exc
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=2,
        server_header=False,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await task
        listener.close()
