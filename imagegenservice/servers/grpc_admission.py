"""The gRPC door's bounds: who comes in, how long a request may take to arrive, and an answer to be read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Final, NoReturn, TypeAlias, cast

import grpc
import grpc.aio
from google.protobuf.message import Message
from grpc_status import rpc_status

from ..errors import Malformed, ServiceError, TookTooLong
from ..order import MAX_USER_ID
from .admission import Admission, Kind, Refused
from .grpc_interceptor import status_of

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"

_OWN: Final = "/hipstershop."
_UPLOAD: Final = "UploadBackground"
_FAREWELL: Final = 1.0
"""Seconds for the last word to a client that does not read."""


class GrpcAdmission(grpc.aio.ServerInterceptor):
    """
    Lets calls in, the outermost of all; health and reflection pass by.

    On the wire a call with one request is a stream of one message. It is handled as such here, because only
    then grpc.aio leaves the message where it is, at the client, until there is a place for it.
    """

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._handlers: dict[str, Handler] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        # Made once for each method: the way through the interceptors costs as much as a short call.
        method = handler_call_details.method
        known = self._handlers.get(method)
        if known is not None:
            return known
        handler = await continuation(handler_call_details)
        if handler is None or not method.startswith(_OWN):
            return handler
        self._handlers[method] = self._wrapped(method, handler)
        return self._handlers[method]

    def _wrapped(self, method: str, handler: Handler) -> Handler:
        name = method.rpartition("/")[2]
        decode, encode = handler.request_deserializer, handler.response_serializer
        if handler.unary_unary is not None:
            unary = cast("Callable[..., Awaitable[Message]]", handler.unary_unary)
            call = self._upload(name, unary) if name == _UPLOAD else self._unary(name, unary)
            return grpc.stream_unary_rpc_method_handler(call, decode, encode)
        stream = cast("Callable[..., AsyncIterator[Message]]", handler.unary_stream)
        return grpc.stream_stream_rpc_method_handler(self._stream(name, stream), decode, encode)

    def _unary(self, name: str, inner: Callable[..., Awaitable[Message]]) -> Callable[..., Any]:
        async def call(_: object, context: Context) -> Message:
            try:
                with self._admission.place(Kind.CALL, name):
                    request = await self._arrival(context)
                    with self._admission.place_of(_owner(request), Kind.CALL, name):
                        return await inner(request, context)
            except ServiceError as exc:
                await _abort(context, exc)

        return call

    def _upload(self, name: str, inner: Callable[..., Awaitable[Message]]) -> Callable[..., Any]:
        async def call(_: object, context: Context) -> Message:
            try:
                with self._admission.place(Kind.UPLOAD, name):
                    async with self._admission.turn(name):
                        request = await self._arrival(context)
                        with self._admission.place_of(_owner(request), Kind.UPLOAD, name):
                            return await inner(request, context)
            except ServiceError as exc:
                await _abort(context, exc)

        return call

    def _stream(self, name: str, inner: Callable[..., AsyncIterator[Message]]) -> Callable[..., Any]:
        async def call(_: object, context: Context) -> None:
            try:
                with self._admission.place(Kind.STREAM, name):
                    request = await self._arrival(context)
                    with self._admission.place_of(_owner(request), Kind.STREAM, name):
                        await self._send(name, inner(request, context), context)
            except ServiceError as exc:
                await _abort(context, exc)

        return call

    async def _arrival(self, context: Context) -> object:
        # Not by the iterator of requests: that one keeps the message until the next garbage collection.
        try:
            async with asyncio.timeout(self._admission.bounds.arrival):
                request = await context.read()
        except TimeoutError:
            raise TookTooLong("The request took too long to arrive. Please try again.") from None
        if request is grpc.aio.EOF:
            raise Malformed
        return request

    async def _send(self, name: str, answers: AsyncIterator[Message], context: Context) -> None:
        # With the first answer it would be under way still when that answer is given up.
        await context.send_initial_metadata(())
        async with aclosing(cast("Any", answers)):
            async for answer in answers:
                try:
                    async with asyncio.timeout(self._admission.bounds.reading):
                        await context.write(answer)
                except TimeoutError:
                    raise self._admission.refused(name, Refused.SLOW) from None


def _owner(request: object) -> str:
    """Who asks; empty when nobody says so, and when it is no user_id at all."""
    user_id = getattr(request, "user_id", "")
    return user_id if len(user_id) <= MAX_USER_ID else ""


async def _abort(context: Context, error: ServiceError) -> NoReturn:
    rich = rpc_status.to_status(status_of(error))
    try:
        # The status comes after what the client has not read yet: for one that never reads, never.
        async with asyncio.timeout(_FAREWELL):
            await context.abort(rich.code, rich.details, rich.trailing_metadata)
    except TimeoutError:
        raise asyncio.CancelledError from None
    raise AssertionError("abort raises")
