"""The real service in this process, on free ports, with a real channel to it."""

from __future__ import annotations

import base64
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc.aio
import numpy as np
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status
from PIL import Image

from imagegenservice.__main__ import Running, running
from imagegenservice.demo.products import PRODUCTS
from imagegenservice.pb import demo_pb2
from imagegenservice.pb import imagegen_pb2 as pb
from imagegenservice.pb import imagegen_pb2_grpc as pb_grpc
from imagegenservice.settings import Settings, load

from .patience import until

CUP, VASE, CARAFE = (product.id for product in PRODUCTS[:3])
"""The cheapest to draw: most tests need any product, not many."""

OFFLINE: dict[str, Any] = {
    "host": "127.0.0.1",
    "port": 0,
    "http_port": 0,
    "cart_service_addr": "demo://",
    "product_catalog_service_addr": "demo://",
    "image_models": ("compositor://",),
    "state_store": "memory://",
    "object_storage": "memory://",
    "picture_size": 256,
    "owner_hash_key": "a key for tests",
}


def order(*product_ids: str, wait: float = 0, **fields: Any) -> pb.GenerateCartImageRequest:
    """A request for one of each product."""
    items = [demo_pb2.CartItem(product_id=id_, quantity=1) for id_ in product_ids]
    return pb.GenerateCartImageRequest(cart_items=items, wait=duration(wait), **fields)


def duration(seconds: float) -> Duration:
    wait = Duration()
    wait.FromMilliseconds(round(seconds * 1000))
    return wait


def photo(
    width: int = 64, height: int = 48, form: str = "JPEG", colour: Sequence[int] = (90, 140, 60)
) -> bytes:
    """A picture of one colour with a brighter corner, so that its way up can be told."""
    pixels = np.full((height, width, 3), colour, np.uint8)
    pixels[: height // 2, : width // 2] = 250
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, form)
    return out.getvalue()


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


@dataclass
class Client:
    """What a test asks a replica."""

    http_port: int
    channel: grpc.aio.Channel
    stub: pb_grpc.ImageGenerationServiceAsyncStub

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    async def generate(
        self, *product_ids: str, wait: float = 0, **fields: Any
    ) -> pb.GenerateCartImageResponse:
        return await self.stub.GenerateCartImage(order(*product_ids, wait=wait, **fields), timeout=30)

    async def drawn(self, *product_ids: str, **fields: Any) -> pb.GenerateCartImageResponse:
        """Wait for the picture."""
        answer = await self.generate(*product_ids, wait=25, **fields)
        assert answer.status == "completed", answer
        return answer

    async def status(self, generation_id: str, user_id: str = "") -> pb.GetStatusResponse:
        request = pb.GetStatusRequest(generation_id=generation_id, user_id=user_id)
        return await self.stub.GetImageGenerationStatus(request, timeout=10)

    async def cancel(self, generation_id: str, user_id: str = "") -> pb.GetStatusResponse:
        request = pb.CancelImageGenerationRequest(generation_id=generation_id, user_id=user_id)
        return await self.stub.CancelImageGeneration(request, timeout=10)

    async def watch(self, generation_id: str, **fields: Any) -> list[pb.GetStatusResponse]:
        """Every revision, up to the end."""
        request = pb.WatchImageGenerationRequest(generation_id=generation_id, **fields)
        return [state async for state in self.stub.WatchImageGeneration(request, timeout=60)]

    async def ended(self, generation_id: str) -> pb.GetStatusResponse:
        """Its last revision, as soon as it is there."""
        return (await self.watch(generation_id))[-1]

    async def upload(self, data: bytes, user_id: str = "") -> pb.UploadBackgroundResponse:
        request = pb.UploadBackgroundRequest(image_data=base64_of(data), user_id=user_id)
        return await self.stub.UploadBackground(request, timeout=15)

    async def health(self, service: str = "") -> str:
        stub = health_pb2_grpc.HealthStub(self.channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=5)
        return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)

    async def at_stage(self, generation_id: str, stage: str) -> pb.GetStatusResponse:
        """Wait until it gets there."""
        request = pb.WatchImageGenerationRequest(generation_id=generation_id)
        async for state in self.stub.WatchImageGeneration(request, timeout=30):
            if state.stage == stage:
                return state
        raise AssertionError(f"{generation_id} ended before it was {stage}")


@dataclass
class Service(Client):
    """A replica in this process, and a client of it."""

    running: Running
    settings: Settings

    async def idle(self) -> None:
        """Wait until nothing is carried any more."""
        await until(lambda: not self.running.app.studio.drawing)


Start = Callable[..., Awaitable[Service]]
"""What the fixture `start` is."""


STAGES = ["queued", "gathering", "drawing", "finishing", "storing", "done"]


def check_revisions(states: Sequence[pb.GetStatusResponse], first: int = 1) -> None:
    """Every revision once and in order, never backwards, and one end."""
    assert [state.revision for state in states] == list(range(first, first + len(states)))
    assert [state.progress for state in states] == sorted(state.progress for state in states)
    assert [state.status for state in states[:-1]] == ["processing"] * (len(states) - 1)
    assert states[-1].status in {"completed", "failed"}
    assert states[-1].stage == "done"


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[grpc.aio.Channel]:
    options = [("grpc.max_receive_message_length", 64 * 1024 * 1024)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        yield channel


@asynccontextmanager
async def serving(**settings: Any) -> AsyncIterator[Service]:
    """The service with these settings, else with nothing outside this process."""
    chosen = load(**{**OFFLINE, **settings})
    async with running(chosen) as replica, connected(replica.grpc.port) as channel:
        stub = pb_grpc.ImageGenerationServiceStub(channel)
        yield Service(replica.http_port, channel, stub, replica, chosen)


def details(error: grpc.aio.AioRpcError) -> tuple[str, float | None]:
    """The reason of a rich error, and the seconds after which to come back."""
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    assert status is not None, error
    reason, delay = "", None
    for packed in status.details:
        info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
        if packed.Unpack(info):
            reason = info.reason
        elif packed.Unpack(retry):
            delay = retry.retry_delay.ToMilliseconds() / 1000
    return reason, delay
