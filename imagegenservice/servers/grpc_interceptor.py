"""What every call has in common: it ends in time, and an error becomes a status in one place."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, NoReturn, TypeAlias, cast

import grpc
import grpc.aio
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from ..errors import ImageGenError, Malformed, TookTooLong
from ..telemetry import Metrics
from .grpc_call import REQUEST_ID, ObservedCall

log = logging.getLogger(__name__)

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

TIMEOUT: Final = 10.0
"""Seconds in which a unary call ends, besides what it asked to wait."""
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Request: TypeAlias = Any
"""A message of the method's own type, or _Broken."""

DOMAIN: Final = "imagegenservice"
_OWN: Final = "/hipstershop."


class _Broken:
    """Stands for a message that could not be decoded."""


class EveryCall(grpc.aio.ServerInterceptor):
    """Ends in time, measures and translates; health and reflection pass by."""

    def __init__(self, metrics: Metrics, hash_owner: Callable[[str], str]) -> None:
        self._metrics = metrics
        self._hash_owner = hash_owner

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or not method.startswith(_OWN):
            return handler
        decode = _tolerant(cast("Callable[[bytes], Request]", handler.request_deserializer))
        if handler.unary_unary is not None:
            unary = self._unary(method, handler.unary_unary)
            return grpc.unary_unary_rpc_method_handler(unary, decode, handler.response_serializer)
        stream = self._stream(method, cast("Callable[..., AsyncIterator[Message]]", handler.unary_stream))
        return grpc.unary_stream_rpc_method_handler(stream, decode, handler.response_serializer)

    def _unary(
        self, method: str, inner: Callable[..., Awaitable[Message]]
    ) -> Callable[..., Awaitable[Message]]:
        async def call(request: Request, context: Context) -> Message:
            with ObservedCall(self._metrics, method, self._hash_owner) as observed:
                try:
                    observed.arrived(request, context)
                    _check(request)
                    async with asyncio.timeout(TIMEOUT + _waits(request)):
                        observed.answer = await inner(request, context)
                        return observed.answer
                except BaseException as exc:  # noqa: BLE001 - each becomes a status, or goes on
                    await _abort(context, observed, exc)

        return call

    def _stream(self, method: str, inner: Callable[..., AsyncIterator[Message]]) -> Callable[..., Any]:
        async def call(request: Request, context: Context) -> AsyncIterator[Message]:
            with ObservedCall(self._metrics, method, self._hash_owner) as observed:
                try:
                    observed.arrived(request, context)
                    _check(request)
                    async for observed.answer in inner(request, context):
                        yield observed.answer
                except BaseException as exc:  # noqa: BLE001 - as above
                    await _abort(context, observed, exc)

        return call


def _tolerant(decode: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    # grpc.aio answers what cannot be decoded with UNKNOWN and the names of its classes.
    def tolerant(data: bytes) -> Request:
        try:
            return decode(data)
        except Exception:  # noqa: BLE001 - protobuf raises several kinds
            return _Broken()

    return tolerant


def _check(request: Request) -> None:
    if isinstance(request, _Broken):
        raise Malformed


def _waits(request: Request) -> float:
    wait = getattr(request, "wait", None)
    return min(60.0, max(0.0, wait.seconds)) if wait is not None else 0.0


async def _abort(context: Context, observed: ObservedCall, exc: BaseException) -> NoReturn:
    if isinstance(exc, (asyncio.CancelledError, GeneratorExit)):
        observed.code = "CANCELLED"
        raise exc
    if isinstance(exc, grpc.aio.AbortError):
        raise exc
    error = TookTooLong() if isinstance(exc, TimeoutError) else exc
    if isinstance(error, ImageGenError) and error.code not in {None, grpc.StatusCode.INTERNAL}:
        observed.reason = error.reason
        status = status_of(error)
    else:
        incident = secrets.token_hex(4)
        log.error("a call failed", extra={"method": observed.name, "incident": incident}, exc_info=exc)
        status = status_pb2.Status(
            code=code_pb2.INTERNAL, message=f"The service failed (incident {incident})."
        )
    observed.code = code_pb2.Code.Name(status.code)
    rich = rpc_status.to_status(status)
    named = (REQUEST_ID, observed.request_id)
    await context.abort(rich.code, rich.details, (*rich.trailing_metadata, named))
    raise AssertionError("abort raises")


def status_of(error: ImageGenError) -> status_pb2.Status:
    """The rich status of an error that has a code: its reason, and a time to come back."""
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
