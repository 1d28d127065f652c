"""One call as its operator sees it: measured, logged, and part of its caller's trace."""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable
from typing import Any, Final, Self, TypeAlias

import grpc
import grpc.aio
from google.protobuf.message import Message
from google.rpc import code_pb2

from .. import logs, spans
from ..order import MAX_USER_ID
from ..telemetry import Metrics

log = logging.getLogger(__name__)

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

REQUEST_ID: Final = "x-request-id"
"""What a caller may name its call with; else a name is made. The answer's trailing metadata says it."""

_ANY_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_POLLED: Final = frozenset({"GetImageGenerationStatus"})
"""Called about once a second for each shopper who waits: too often for a line each."""
_FAILURES: Final = frozenset(
    {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
)
"""Codes that say that the server failed: https://opentelemetry.io/docs/specs/semconv/rpc/grpc/."""


class ObservedCall:
    """
    A call for the time of the block. *method* is package.Service.Method.

    `context` is grpc's, `name` is the method without its service, `code` and `reason` are what it ended with,
    `answer` is its last message. Where we are in the trace, the request's id and the owner's hash stay set
    for the rest of the task, and for the tasks that it starts.
    """

    def __init__(self, metrics: Metrics, method: str, context: Context) -> None:
        self._metrics = metrics
        self._service, _, self.name = method.rpartition(".")
        self.context = context
        self._span = spans.Block()
        self._begin = time.perf_counter()
        self.code = "OK"
        self.reason = ""
        self.answer: Message | None = None
        self.request_id = ""
        self.request_arrived = False

    def arrived(self, request: object, hash_owner: Callable[[str], str]) -> str:
        """Look at who asks; return the owner's hash, empty for nobody. Raises what *hash_owner* raises."""
        self.request_arrived = True
        user_id = getattr(request, "user_id", "")
        owner = hash_owner(user_id) if len(user_id) <= MAX_USER_ID else ""
        logs.owner.set(owner)
        if owner:
            self._span.set("user.hash", owner)
        return owner

    def __enter__(self) -> Self:
        metadata = self.context.invocation_metadata() or ()
        said = {key: value for key, value in metadata if isinstance(value, str)}
        self.request_id = said.get(REQUEST_ID, "")
        if not _ANY_ID.fullmatch(self.request_id):
            self.request_id = secrets.token_hex(8)
        self.context.set_trailing_metadata(((REQUEST_ID, self.request_id),))
        logs.request_id.set(self.request_id)
        logs.owner.set("")
        spans.go_to(
            spans.read_place(said.get("traceparent", ""), said.get("tracestate", ""), said.get("baggage", ""))
        )
        about = {"rpc.system": "grpc", "rpc.service": self._service, "rpc.method": self.name}
        self._span = spans.span(f"{self._service}/{self.name}", "server", about).__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        took = time.perf_counter() - self._begin
        self._metrics.called(self.name, self.code, took)
        status = str(getattr(self.answer, "status", ""))
        reason = self.reason or str(getattr(self.answer, "error_reason", ""))
        self._metrics.answered(self.name, status, reason)
        self._span.set("rpc.grpc.status_code", code_pb2.Code.Value(self.code))
        if status:
            self._span.set("imagegen.status", status)
        self._span.close(reason or ("" if self.code == "OK" else self.code), failed=self.code in _FAILURES)
        level = logging.DEBUG if self.name in _POLLED else logging.INFO
        if not log.isEnabledFor(level):
            return
        about = {"method": self.name, "code": self.code, "status": status, "reason": reason}
        log.log(level, "a call ended", extra={**about, "seconds": round(took, 4)})
