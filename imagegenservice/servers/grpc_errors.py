"""How an error is said over gRPC: a rich status with its reason, and a time to come back."""

from __future__ import annotations

from typing import Final

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from ..errors import ImageGenError

DOMAIN: Final = "imagegenservice"


def foreseen(error: BaseException) -> ImageGenError | None:
    """*error*, if it is one that a caller may be told about with a code of its own."""
    if isinstance(error, ImageGenError) and error.code not in {None, grpc.StatusCode.INTERNAL}:
        return error
    return None


def status_of(error: ImageGenError) -> status_pb2.Status:
    """The rich status of an error that has a code."""
    code = error.code or grpc.StatusCode.INTERNAL
    details: list[Message] = [error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN)]
    if error.retry_after is not None:
        delay = Duration()
        delay.FromMilliseconds(int(error.retry_after * 1000))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    status = status_pb2.Status(code=code.value[0], message=error.public)
    for detail in details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    return status


def status_of_incident(incident: str) -> status_pb2.Status:
    """What a caller is told of a fault that nobody foresaw: how the log names it, and nothing else."""
    return status_pb2.Status(code=code_pb2.INTERNAL, message=f"The service failed (incident {incident}).")
