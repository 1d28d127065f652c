"""Spans by OpenTelemetry, sent to a collector. Imported only when tracing is on."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.span import TraceState

from .spans import Attribute, Kind, Place, Span, Tracer

_SEND_TIMEOUT: Final = 2.0
"""Seconds in which the collector takes a batch, or loses it."""
_MAX_TEXT: Final = 256
_KINDS: Final = {"internal": SpanKind.INTERNAL, "server": SpanKind.SERVER, "client": SpanKind.CLIENT}


class SdkTracer(Tracer):
    """
    Sends spans in batches, from a thread of its own, over plain gRPC.

    Nothing waits for the collector: what does not fit into the bounded queue is dropped. OpenTelemetry's own
    variables (OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER, OTEL_BSP_…) are honoured.
    """

    def __init__(self, collector: str, service: str, version: str) -> None:
        resource = Resource.create({"service.name": service, "service.version": version})
        exporter = OTLPSpanExporter(endpoint=collector, insecure=True, timeout=_SEND_TIMEOUT)
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("imagegenservice", version)

    def start(self, name: str, kind: Kind, parent: Place | None, attributes: Mapping[str, Attribute]) -> Span:
        started = self._tracer.start_span(name, _context(parent), _KINDS[kind], attributes)
        return _SdkSpan(started, parent)

    def close(self, seconds: float) -> None:
        """Send what is left, for at most so long. Blocks."""
        # The SDK's own time limit is half a minute, and none of its public methods takes another.
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(seconds)


class _SdkSpan(Span):
    __slots__ = ("_place", "_span")

    def __init__(self, span: trace.Span, parent: Place | None) -> None:
        own = span.get_span_context()
        self._span = span
        self._place = Place(
            trace_id=f"{own.trace_id:032x}",
            span_id=f"{own.span_id:016x}",
            sampled=own.trace_flags.sampled,
            state=own.trace_state.to_header(),
            baggage=parent.baggage if parent else "",
        )

    @property
    def place(self) -> Place:
        return self._place

    def set(self, name: str, value: Attribute) -> None:
        self._span.set_attribute(name, value[:_MAX_TEXT] if isinstance(value, str) else value)

    def end(self, reason: str, *, failed: bool) -> None:
        # The reason only: what exceptions say may quote what a caller sent.
        if reason:
            self._span.set_attribute("error.type", reason)
        if failed:
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()


def _context(parent: Place | None) -> Context:
    if parent is None:
        return Context()
    place = SpanContext(
        trace_id=int(parent.trace_id, 16),
        span_id=int(parent.span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED if parent.sampled else TraceFlags.DEFAULT),
        trace_state=TraceState.from_header([parent.state]) if parent.state else None,
    )
    return trace.set_span_in_context(NonRecordingSpan(place), Context())
