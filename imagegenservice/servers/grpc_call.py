"""One call as its operator sees it: measured, logged, and part of its caller's trace."""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable, Mapping
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
    A call for the time of the block. *method* is /package.Service/Method.

    `name` is the method without its service, `code` and `reason` are what it ended with, `answer` is its
    last message. Where we are in the trace, the
    request's id and the owner's hash stay set for the rest of the task, and for the tasks that it starts.
    """

    def __init__(self, metrics: Metrics, method: str, hash_owner: Callable[[str], str]) -> None:
        self._metrics = metrics
        self._method = method.lstrip("/")
        self.name = self._method.rpartition("/")[2]
        self._hash_owner = hash_owner
        self._span = spans.Block()
        self._begin = time.perf_counter()
        self.code = "OK"
        self.reason = ""
        self.answer: Message | None = None
        self.request_id = ""

    def arrived(self, request: object, context: Context) -> None:
        """Look at what the caller said of itself."""
        said = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        self.request_id = said.get(REQUEST_ID, "")
        if not _ANY_ID.fullmatch(self.request_id):
            self.request_id = secrets.token_hex(8)
        context.set_trailing_metadata(((REQUEST_ID, self.request_id),))
        logs.request_id.set(self.request_id)
        user_id = getattr(request, "user_id", "")
        owner = self._hash_owner(user_id) if len(user_id) <= MAX_USER_ID else ""
        logs.owner.set(owner)
        self._open_span(said, owner)

    def _open_span(self, said: Mapping[str, str], owner: str) -> None:
        spans.go_to(
            spans.read_place(said.get("traceparent", ""), said.get("tracestate", ""), said.get("baggage", ""))
        )
        service, _, name = self._method.partition("/")
        about: dict[str, spans.Attribute] = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": name}
        if owner:
            about["user.hash"] = owner
        self._span = spans.span(self._method, "server", about).__enter__()

    def __enter__(self) -> Self:
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
