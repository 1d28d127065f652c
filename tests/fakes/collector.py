"""An OpenTelemetry collector on the wire, which keeps what it is sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as pb_grpc
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class FakeCollector(pb_grpc.TraceServiceServicer):
    def __init__(self) -> None:
        self.requests: list[pb.ExportTraceServiceRequest] = []
        self.address = ""

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[FakeCollector]:
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        pb_grpc.add_TraceServiceServicer_to_server(self, server)
        self.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        await server.start()
        try:
            yield self
        finally:
            await server.stop(None)

    async def Export(self, request: pb.ExportTraceServiceRequest, context: Any) -> Any:
        self.requests.append(request)
        return pb.ExportTraceServiceResponse()

    @property
    def settings(self) -> dict[str, Any]:
        """What makes a service send its spans here."""
        return {"enable_tracing": True, "collector_service_addr": self.address}

    @property
    def spans(self) -> list[Span]:
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    @property
    def resource(self) -> dict[str, Any]:
        """Whose spans they are."""
        return said(self.requests[0].resource_spans[0].resource.attributes)

    def named(self, name: str) -> Span:
        """The one span of this name."""
        [found] = [span for span in self.spans if span.name == name]
        return found


def said(attributes: Any) -> dict[str, Any]:
    """The attributes of a span or a resource."""
    return {pair.key: _value(pair) for pair in attributes}


def _value(pair: KeyValue) -> Any:
    kind = pair.value.WhichOneof("value")
    return getattr(pair.value, kind) if kind else None
