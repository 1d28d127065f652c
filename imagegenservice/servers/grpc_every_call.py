"""What every call has in common: it has a place, it ends in time, and an error becomes a status here."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Final, NoReturn, TypeAlias, TypeVar, cast

import grpc
import grpc.aio
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import code_pb2
from grpc_status import rpc_status

from ..errors import Malformed, TookTooLong
from ..telemetry import Metrics
from .admission import Admission, Kind, Refused
from .grpc_call import REQUEST_ID, ObservedCall
from .grpc_errors import foreseen, status_of, status_of_incident

log = logging.getLogger(__name__)

T = TypeVar("T")

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Request: TypeAlias = Any
"""A message of the method's own type."""

TIMEOUT: Final = 10.0
"""Seconds in which a unary call ends once its request is there, besides what it asked to wait."""
_UPLOAD: Final = "UploadBackground"
_SLOW_REQUEST: Final = "The request took too long to arrive. Please try again."
_FAREWELL: Final = 1.0
"""Seconds for the last word to a client that does not read."""


class _Broken:
    """Stands for a message that could not be decoded."""


class EveryCall:
    """
    Lets calls in, measures them, ends them in time and translates their errors.

    On the wire a call with one request is a stream of one message. It is handled as such here, because only
    then grpc.aio leaves the message where it is, at the client, until there is a place for it. A handler is
    made once for each method: grpc's own interceptors would be asked about every call.
    """

    def __init__(self, admission: Admission, metrics: Metrics, hash_owner: Callable[[str], str]) -> None:
        self._admission = admission
        self._metrics = metrics
        self._hash_owner = hash_owner

    def handler(self, method: MethodDescriptor, inner: Callable[..., Any]) -> Handler:
        """The handler of *method*, around *inner*, which takes the request and the context."""
        decode = _tolerant(GetMessageClass(method.input_type).FromString)
        encode = GetMessageClass(method.output_type).SerializeToString
        if method.server_streaming:
            stream = self._every(method.full_name, lambda observed: self._stream(observed, inner))
            return grpc.stream_stream_rpc_method_handler(stream, decode, encode)
        kind = self._upload if method.name == _UPLOAD else self._unary
        unary = self._every(method.full_name, lambda observed: kind(observed, inner))
        return grpc.stream_unary_rpc_method_handler(unary, decode, encode)

    def _every(
        self, method: str, body: Callable[[ObservedCall], Awaitable[T]]
    ) -> Callable[[object, Context], Awaitable[T]]:
        async def call(_: object, context: Context) -> T:
            with ObservedCall(self._metrics, method, context) as observed:
                try:
                    return await body(observed)
                except BaseException as exc:  # noqa: BLE001 - each becomes a status, or goes on
                    await _abort(context, observed, exc)

        return call

    async def _unary(self, observed: ObservedCall, inner: Callable[..., Awaitable[Message]]) -> Message:
        with self._admission.place(Kind.CALL, observed.name):
            return await self._answer(observed, inner, Kind.CALL)

    async def _upload(self, observed: ObservedCall, inner: Callable[..., Awaitable[Message]]) -> Message:
        with self._admission.place(Kind.UPLOAD, observed.name):
            async with self._admission.turn(observed.name):
                return await self._answer(observed, inner, Kind.UPLOAD)

    async def _stream(self, observed: ObservedCall, inner: Callable[..., AsyncIterator[Message]]) -> None:
        context = observed.context
        with self._admission.place(Kind.STREAM, observed.name):
            async with asyncio.timeout(self._admission.bounds.arrival):
                request = await _arrival(context)
            owner = observed.arrived(request, self._hash_owner)
            with self._admission.place_of(owner, Kind.STREAM, observed.name):
                await self._send(observed, inner(request, context), context)

    async def _answer(
        self, observed: ObservedCall, inner: Callable[..., Awaitable[Message]], kind: Kind
    ) -> Message:
        clock = asyncio.get_running_loop()
        # One clock for both: first for the request's arrival, then for the answer.
        async with asyncio.timeout(self._admission.bounds.arrival) as end:
            request = await _arrival(observed.context)
            end.reschedule(clock.time() + TIMEOUT + _waits(request))
            owner = observed.arrived(request, self._hash_owner)
            with self._admission.place_of(owner, kind, observed.name):
                observed.answer = await inner(request, observed.context)
                return observed.answer

    async def _send(self, observed: ObservedCall, answers: AsyncIterator[Message], context: Context) -> None:
        # With the first answer it would be under way still when that answer is given up.
        await context.send_initial_metadata(())
        async with aclosing(cast("Any", answers)):
            async for observed.answer in answers:
                try:
                    async with asyncio.timeout(self._admission.bounds.reading):
                        await context.write(observed.answer)
                except TimeoutError:
                    raise self._admission.refused(observed.name, Refused.SLOW) from None


async def _arrival(context: Context) -> Request:
    # Not by the iterator of requests: that one keeps the message until the next garbage collection.
    request = await context.read()
    if request is grpc.aio.EOF or isinstance(request, _Broken):
        raise Malformed
    return request


def _tolerant(decode: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    # grpc.aio answers what cannot be decoded with UNKNOWN and the names of its classes.
    def tolerant(data: bytes) -> Request:
        try:
            return decode(data)
        except Exception:  # noqa: BLE001 - protobuf raises several kinds
            return _Broken()

    return tolerant


def _waits(request: Request) -> float:
    wait = getattr(request, "wait", None)
    return min(60.0, max(0.0, wait.seconds)) if wait is not None else 0.0


def _too_late(observed: ObservedCall) -> TookTooLong:
    return TookTooLong() if observed.request_arrived else TookTooLong(_SLOW_REQUEST)


async def _abort(context: Context, observed: ObservedCall, exc: BaseException) -> NoReturn:
    if isinstance(exc, (asyncio.CancelledError, GeneratorExit)):
        observed.code = "CANCELLED"
        raise exc
    if isinstance(exc, grpc.aio.AbortError):
        raise exc
    error = foreseen(_too_late(observed) if isinstance(exc, TimeoutError) else exc)
    if error is not None:
        observed.reason = error.reason
        status = status_of(error)
    else:
        incident = secrets.token_hex(4)
        log.error("a call failed", extra={"method": observed.name, "incident": incident}, exc_info=exc)
        status = status_of_incident(incident)
    observed.code = code_pb2.Code.Name(status.code)
    rich = rpc_status.to_status(status)
    named = (REQUEST_ID, observed.request_id)
    try:
        # The status comes after what the client has not read yet: for one that never reads, never.
        async with asyncio.timeout(_FAREWELL):
            await context.abort(rich.code, rich.details, (*rich.trailing_metadata, named))
    except TimeoutError:
        raise asyncio.CancelledError from None
    raise AssertionError("abort raises")
