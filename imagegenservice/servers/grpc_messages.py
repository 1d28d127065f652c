"""Between the wire's messages and the core's values."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp

from ..backgrounds import Background
from ..errors import ImageGenError
from ..model import CartLine, Generation, Revision, Status
from ..order import Order, check_order
from ..pb import imagegen_pb2 as pb

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def order_from(request: pb.GenerateCartImageRequest) -> Order:
    """Raises InvalidInput."""
    lines = [CartLine(product_id=item.product_id, quantity=item.quantity) for item in request.cart_items]
    return check_order(
        user_id=request.user_id,
        style=request.style_preference,
        background_url=request.background_image_url,
        lines=lines,
        aspect_ratio=request.aspect_ratio,
        seed=request.seed,
        idempotency_key=request.idempotency_key,
        wait=request.wait.seconds + request.wait.nanos / 1e9,
    )


def generated(generation: Generation, url: str) -> pb.GenerateCartImageResponse:
    """The answer to an order."""
    return pb.GenerateCartImageResponse(image_url=url, **_fields(generation))


def status(generation: Generation, url: str) -> pb.GetStatusResponse:
    """How a generation stands."""
    return pb.GetStatusResponse(image_url=url, **_fields(generation))


def passed(generation: Generation, revision: Revision) -> pb.GetStatusResponse:
    """How a generation stood at a revision that others followed."""
    return pb.GetStatusResponse(
        generation_id=generation.id,
        status=revision.status,
        stage=revision.stage,
        progress=revision.progress,
        revision=revision.number,
        created_at=_timestamp(generation.created_at),
        products_left_out=generation.left_out,
    )


def refused(error: ImageGenError) -> pb.GenerateCartImageResponse:
    """The answer to an order that was refused."""
    return pb.GenerateCartImageResponse(
        status=Status.FAILED, error_message=error.public, error_reason=error.reason
    )


def not_found(error: ImageGenError) -> pb.GetStatusResponse:
    """The answer about a generation that is not there."""
    return pb.GetStatusResponse(status="not_found", error_message=error.public, error_reason=error.reason)


def uploaded(background: Background, url: str) -> pb.UploadBackgroundResponse:
    """The answer to an upload."""
    return pb.UploadBackgroundResponse(
        image_url=url,
        status="success",
        width=background.asset.width,
        height=background.asset.height,
        media_type=background.asset.media_type,
        expires_at=_timestamp(background.expires_at),
    )


def upload_refused(error: ImageGenError) -> pb.UploadBackgroundResponse:
    """The answer to an upload that was refused."""
    return pb.UploadBackgroundResponse(status="failed", error_message=error.public, error_reason=error.reason)


def _fields(generation: Generation) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "generation_id": generation.id,
        "status": generation.status,
        "stage": generation.stage,
        "progress": generation.progress,
        "revision": generation.revision,
        "engine": generation.engine,
        "from_cache": generation.from_cache,
        "created_at": _timestamp(generation.created_at),
        "products_left_out": generation.left_out,
        "engine_failures": [
            pb.EngineFailure(engine=fault.engine, reason=fault.reason, message=fault.message)
            for fault in generation.engine_faults
        ],
    }
    if generation.completed_at is not None:
        fields["completed_at"] = _timestamp(generation.completed_at)
    if generation.asset is not None:
        asset = generation.asset
        fields |= {"width": asset.width, "height": asset.height, "media_type": asset.media_type}
    if generation.fault is not None:
        fields |= {"error_message": generation.fault.message, "error_reason": generation.fault.reason}
    return fields


def _timestamp(moment: datetime) -> Timestamp:
    # Ten times as fast as FromDatetime, which goes by way of the calendar.
    since = moment - _EPOCH
    return Timestamp(seconds=since.days * 86_400 + since.seconds, nanos=since.microseconds * 1000)
