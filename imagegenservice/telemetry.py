"""JSON logs, metrics and traces. Off costs nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from .errors import ImageGenError
from .model import Generation, Stage

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


class Metrics:
    """Everything that is counted. Labels hold names of this service's own, never a caller's words."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        on = self.registry
        self.rpcs = Histogram(
            "imagegen_rpc_seconds", "Calls answered.", ["method", "code"], buckets=SECONDS, registry=on
        )
        self.orders = Counter("imagegen_orders_total", "Orders accepted, by how.", ["how"], registry=on)
        self.generations = Counter(
            "imagegen_generations_total", "Generations finished.", ["status", "reason"], registry=on
        )
        self.stages = Histogram(
            "imagegen_stage_seconds", "Time in each stage.", ["stage"], buckets=SECONDS, registry=on
        )
        self.engines = Histogram(
            "imagegen_engine_seconds", "Drawings.", ["engine", "outcome"], buckets=SECONDS, registry=on
        )
        self.paid_calls = Counter(
            "imagegen_paid_calls_total", "Calls that cost money.", ["engine", "outcome"], registry=on
        )
        self.uploads = Counter("imagegen_uploads_total", "Backgrounds.", ["status", "reason"], registry=on)
        self.queue = Gauge("imagegen_queue", "Generations held here.", ["state"], registry=on)
        self.calls_out = Histogram(
            "imagegen_call_out_seconds",
            "Calls to neighbours.",
            ["to", "outcome"],
            buckets=SECONDS,
            registry=on,
        )

    def stage(self, stage: Stage, seconds: float) -> None:
        """Note how long a generation stood in *stage*."""
        self.stages.labels(stage).observe(seconds)

    def finished(self, generation: Generation) -> None:
        """Count a generation that ended."""
        reason = generation.fault.reason if generation.fault else ""
        self.generations.labels(generation.status, reason).inc()

    @contextmanager
    def drawing(self, engine: str) -> Iterator[None]:
        """Measure one drawing of *engine*."""
        with self._timed(self.engines, engine):
            yield

    @contextmanager
    def call_out(self, to: str) -> Iterator[None]:
        """Measure one call to a neighbour."""
        with self._timed(self.calls_out, to):
            yield

    @contextmanager
    def _timed(self, histogram: Histogram, name: str) -> Iterator[None]:
        begin = time.perf_counter()
        outcome = "ok"
        try:
            yield
        except ImageGenError as exc:
            outcome = exc.reason
            raise
        except BaseException as exc:
            outcome = type(exc).__name__
            raise
        finally:
            histogram.labels(name, outcome).observe(time.perf_counter() - begin)
