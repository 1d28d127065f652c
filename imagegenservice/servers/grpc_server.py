"""The gRPC door: proto in, proto out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from ..backgrounds import Backgrounds
from ..errors import GenerationNotFound, Refusal
from ..gallery import Gallery
from ..generation import Generator
from ..keyring import Keyring
from ..model import Generation
from ..order import check_id, check_user_id
from ..pb import imagegen_pb2 as pb
from ..pb import imagegen_pb2_grpc as pb_grpc
from ..spans import traceparent
from ..telemetry import Metrics
from . import grpc_messages as messages
from .admission import Admission
from .grpc_every_call import EveryCall

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

_DESCRIPTOR: Final = pb.DESCRIPTOR.services_by_name["ImageGenerationService"]
SERVICE: Final = _DESCRIPTOR.full_name
_ANSWERING: Final = 0.3
"""Seconds of a caller's deadline that are left for the answer's way back."""


@dataclass(frozen=True, slots=True)
class Core:
    """What the doors open to."""

    generator: Generator
    backgrounds: Backgrounds
    gallery: Gallery
    keyring: Keyring
    metrics: Metrics


class ImageGenerationServicer(pb_grpc.ImageGenerationServiceServicer):
    """hipstershop.ImageGenerationService."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def GenerateCartImage(
        self, request: pb.GenerateCartImageRequest, context: Context
    ) -> pb.GenerateCartImageResponse:
        try:
            order = messages.order_from(request)
            left = context.time_remaining()
            if left is not None:
                order = replace(order, wait=max(0.0, min(order.wait, left - _ANSWERING)))
            generation = await self._core.generator.generate(order, trace=traceparent())
        except Refusal as exc:
            return messages.refused(exc)
        return messages.generated(generation, await self._url(generation))

    async def UploadBackground(
        self, request: pb.UploadBackgroundRequest, context: Context
    ) -> pb.UploadBackgroundResponse:
        del context
        try:
            owner = self._core.keyring.owner(check_user_id(request.user_id))
            background = await self._core.backgrounds.upload(request.image_data, owner)
        except Refusal as exc:
            self._core.metrics.uploads.labels("failed", exc.reason).inc()
            return messages.upload_refused(exc)
        self._core.metrics.uploads.labels("success", "").inc()
        return messages.uploaded(background, await self._core.gallery.url(background.asset.key))

    async def GetImageGenerationStatus(
        self, request: pb.GetStatusRequest, context: Context
    ) -> pb.GetStatusResponse:
        del context
        try:
            generation = await self._core.generator.status(*_named(request))
        except GenerationNotFound as exc:
            return messages.not_found(exc)
        return messages.status(generation, await self._url(generation))

    async def WatchImageGeneration(
        self, request: pb.WatchImageGenerationRequest, context: Context
    ) -> AsyncIterator[pb.GetStatusResponse]:
        del context
        try:
            watched = self._core.generator.watch(*_named(request), request.from_revision)
            async with aclosing(watched) as changes:
                async for generation, revision in changes:
                    if revision.number == generation.revision:
                        yield messages.status(generation, await self._url(generation))
                    else:
                        yield messages.passed(generation, revision)
        except GenerationNotFound as exc:
            yield messages.not_found(exc)

    async def CancelImageGeneration(
        self, request: pb.CancelImageGenerationRequest, context: Context
    ) -> pb.GetStatusResponse:
        del context
        try:
            generation = await self._core.generator.cancel(*_named(request))
        except GenerationNotFound as exc:
            return messages.not_found(exc)
        return messages.status(generation, await self._url(generation))

    async def _url(self, generation: Generation) -> str:
        return await self._core.gallery.url(generation.asset.key) if generation.asset else ""


def _named(
    request: pb.GetStatusRequest | pb.WatchImageGenerationRequest | pb.CancelImageGenerationRequest,
) -> tuple[str, str]:
    # A malformed id names no generation: one text for that too, so that nothing can be told apart.
    try:
        return check_id("generation_id", request.generation_id), check_user_id(request.user_id)
    except Refusal:
        raise GenerationNotFound from None


class GrpcServer:
    """The running server: its port, its health and its end."""

    def __init__(
        self, server: grpc.aio.Server, port: int, health_servicer: health.aio.HealthServicer
    ) -> None:
        self._server = server
        self._health = health_servicer
        self.port = port

    async def refuse(self) -> None:
        """Say NOT_SERVING; calls are still answered."""
        await self._health.enter_graceful_shutdown()

    async def stop(self, grace: float) -> None:
        """Take no new calls, and give running ones *grace* seconds."""
        await self._server.stop(grace)


@asynccontextmanager
async def serve(
    core: Core, admission: Admission, host: str, port: int, *, max_upload_bytes: int, reflect: bool
) -> AsyncIterator[GrpcServer]:
    """Serve until the block ends. Raises OSError when the port is taken."""
    server = grpc.aio.server(options=_options(max_upload_bytes))
    every_call = EveryCall(admission, core.metrics, core.keyring.owner)
    server.add_generic_rpc_handlers((_handlers(ImageGenerationServicer(core), every_call),))
    health_servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    if reflect:
        names = (SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, server)
    try:
        bound = server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    except RuntimeError as exc:
        raise OSError(f"the gRPC port {port} cannot be bound on {host}") from exc
    await server.start()
    for name in ("", SERVICE):
        await health_servicer.set(name, health_pb2.HealthCheckResponse.SERVING)
    try:
        yield GrpcServer(server, bound, health_servicer)
    finally:
        await server.stop(0)


def _handlers(servicer: ImageGenerationServicer, every_call: EveryCall) -> grpc.GenericRpcHandler:
    methods = _DESCRIPTOR.methods_by_name
    return grpc.method_handlers_generic_handler(
        SERVICE, {name: every_call.handler(methods[name], getattr(servicer, name)) for name in methods}
    )


def _options(max_upload_bytes: int) -> list[tuple[str, int]]:
    # Base64 is 4/3 of the picture; line breaks and a data: URL's head fit into the rest.
    return [
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", max_upload_bytes * 3 // 2 + 64 * 1024),
        # A frontend's connection carries the watches of many shoppers; calls behind the limit hang.
        ("grpc.max_concurrent_streams", 1000),
        # Uploads wait at the client for their turn. Guessed windows would let them in, megabytes each.
        ("grpc.http2.bdp_probe", 0),
        # A client that is silent in the middle of the handshake, or does not answer a ping, is dropped.
        ("grpc.server_handshake_timeout_ms", 10_000),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 20_000),
        ("grpc.http2.max_ping_strikes", 3),
        # Old connections make room for a fair spread over the replicas; no call is as long as the grace.
        ("grpc.max_connection_idle_ms", 300_000),
        ("grpc.max_connection_age_ms", 600_000),
        ("grpc.max_connection_age_grace_ms", 180_000),
    ]
