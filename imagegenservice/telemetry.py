"""What is counted and measured, and the traces that go with it. Off costs nothing."""

from __future__ import annotations

import asyncio
import logging
import platform
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import lru_cache, partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final, Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
)

from . import spans
from .breaker import Breaker
from .logs import owner, short
from .model import Generation, PaidCall, Stage
from .settings import Settings

if TYPE_CHECKING:
    from .tracing import SdkTracer

log = logging.getLogger(__name__)

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""Bounds of the buckets, from an answer out of memory to the longest drawing."""
_CLOSING: Final = 2.0
"""Seconds that the last spans may take at the end."""
_PROVIDERS: Final = {"gemini": "gcp.gemini", "gemini-vertex": "gcp.vertex_ai"}
_SERIES: Final = 512
_REASON: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,47}|")

# Of the process, so that adapters need not be handed a Metrics.
_CALLS_OUT: Final = Histogram(
    "imagegen_call_out_seconds", "Calls to neighbours.", ["to", "outcome"], buckets=SECONDS, registry=None
)
_CACHE: Final = Counter(
    "imagegen_cache_total", "Look-ups in what is kept to save work.", ["cache", "result"], registry=None
)


def _version() -> str:
    try:
        return version("imagegenservice")
    except PackageNotFoundError:
        return "source"


VERSION: Final = _version()


class Metrics:
    """Everything that is counted. Labels hold names of this service's own, never a caller's words."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        on = self.registry
        self.rpcs = _seconds("imagegen_rpc_seconds", "Calls answered.", ["method", "code"], on)
        self.answers = Counter(
            "imagegen_answers_total", "What calls were answered.", ["method", "status", "reason"], registry=on
        )
        self.orders = Counter("imagegen_orders_total", "Orders accepted, by how.", ["how"], registry=on)
        self.generations = Counter(
            "imagegen_generations_total", "Generations finished.", ["status", "reason"], registry=on
        )
        self.stages = _seconds("imagegen_stage_seconds", "Time in each stage.", ["stage"], on)
        self.engines = _seconds("imagegen_engine_seconds", "Drawings.", ["engine", "outcome"], on)
        self.paid_calls = Counter(
            "imagegen_paid_calls_total", "Calls that cost money.", ["engine", "outcome"], registry=on
        )
        self.uploads = Counter("imagegen_uploads_total", "Backgrounds.", ["status", "reason"], registry=on)
        self.refused = Counter(
            "imagegen_refused_total", "Calls that had no place.", ["method", "bound"], registry=on
        )
        self.places = Gauge("imagegen_places_taken", "What is here at once.", ["kind"], registry=on)
        self.queue = Gauge("imagegen_queue", "Generations held here.", ["state"], registry=on)
        self.breakers = Gauge(
            "imagegen_breaker_open", "1 while an engine is left alone.", ["engine"], registry=on
        )
        self.away = Gauge("imagegen_neighbour_away", "1 while it is away.", ["neighbour"], registry=on)
        self.calls_out = _CALLS_OUT
        # Finding a series by its labels costs more than counting in it.
        self._rpcs_of = lru_cache(_SERIES)(self.rpcs.labels)
        self._answers_of = lru_cache(_SERIES)(
            lambda method, status, reason: self.answers.labels(method, _label(status), _label(reason))
        )
        self._of_the_process()

    def _of_the_process(self) -> None:
        for collector in (_CALLS_OUT, _CACHE):
            self.registry.register(collector)
        build = Info("imagegen_build", "What is running.", registry=self.registry)
        build.info({"version": VERSION, "python": platform.python_version()})
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)

    def stage(self, stage: Stage, seconds: float) -> None:
        """Note how long a generation stood in *stage*."""
        self.stages.labels(stage).observe(seconds)

    def called(self, method: str, code: str, seconds: float) -> None:
        """Note how long a call took that ended with *code*."""
        self._rpcs_of(method, code).observe(seconds)

    def answered(self, method: str, status: str, reason: str) -> None:
        """Count an answer by the status and the reason that it gives."""
        self._answers_of(method, status, reason).inc()

    def finished(self, generation: Generation) -> None:
        """Count and log a generation that ended."""
        reason = _label(generation.fault.reason if generation.fault else "")
        self.generations.labels(generation.status, reason).inc()
        ended = generation.completed_at or generation.created_at
        log.info(
            "a generation ended",
            extra={
                "generation": short(generation.id),
                "status": str(generation.status),
                "reason": reason,
                "engine": generation.engine,
                "seconds": round((ended - generation.created_at).total_seconds(), 3),
            },
        )

    def watch_queue(self, state: str, count: Callable[[], float]) -> None:
        """Show what *count* says whenever somebody looks."""
        self.queue.labels(state).set_function(count)

    def watch_neighbours(self, breakers: Mapping[str, Breaker]) -> None:
        """Show who is away."""
        for name, breaker in breakers.items():
            self.away.labels(name).set_function(partial(_away, breaker))

    def watch_places(self, kind: str, count: Callable[[], float]) -> None:
        """Show what *count* says whenever somebody looks."""
        self.places.labels(kind).set_function(count)

    def watch_breaker(self, engine: str, breaker: Breaker) -> None:
        """Show whether this engine is left alone."""
        self.breakers.labels(engine).set_function(lambda: float(breaker.open))

    @contextmanager
    def drawing(self, engine: str) -> Iterator[None]:
        """Measure one drawing of *engine*."""
        at_work = self.queue.labels("drawing")
        with (
            at_work.track_inprogress(),
            _timed(self.engines, engine),
            spans.span(f"draw {engine}", attributes={"imagegen.engine": engine}),
        ):
            yield


def _seconds(name: str, what: str, labels: list[str], registry: CollectorRegistry) -> Histogram:
    return Histogram(name, what, labels, buckets=SECONDS, registry=registry)


def _away(breaker: Breaker) -> float:
    return float(breaker.tripped)


def _label(reason: str) -> str:
    # Ours are all names. What another version wrote into a record may be anything, but no series of its own.
    return reason if _REASON.fullmatch(reason) else "OTHER"


@contextmanager
def _timed(histogram: Histogram, name: str) -> Iterator[None]:
    begin = time.perf_counter()
    outcome = "ok"
    try:
        yield
    except BaseException as exc:
        outcome = _label(spans.verdict(exc)[0])
        raise
    finally:
        histogram.labels(name, outcome).observe(time.perf_counter() - begin)


@contextmanager
def call_out(to: str, what: str) -> Iterator[spans.Block]:
    """Measure one call to the neighbour *to*, with a span called *what*."""
    with _timed(_CALLS_OUT, to), spans.span(what, "client") as call:
        yield call


def looked_up(cache: str, *, hit: bool, count: int = 1) -> None:
    """Count look-ups in a cache."""
    if count:
        _CACHE.labels(cache, "hit" if hit else "miss").inc(count)


@contextmanager
def carrying(generation: Generation) -> Iterator[spans.Block]:
    """Go on in the trace of the call that ordered *generation*, and in its owner's name."""
    spans.go_to(spans.read_place(generation.trace))
    owner.set(generation.owner)
    about: dict[str, spans.Attribute] = {
        "imagegen.generation": short(generation.id),
        "imagegen.attempt": generation.attempts + 1,
        "imagegen.products": len(generation.brief.items),
        "user.hash": generation.owner,
    }
    with spans.span("generation", attributes=about) as here:
        yield here


class Asked(Protocol):
    """A paid call that is being made, or has been."""

    call: PaidCall


@contextmanager
def asking(asked: Asked) -> Iterator[None]:
    """
    A span around a call to an image model, named as OpenTelemetry names calls to generative models.

    See https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/.
    """
    provider, _, model = asked.call.engine.partition("/")
    about: dict[str, spans.Attribute] = {
        "gen_ai.operation.name": "generate_content",
        "gen_ai.provider.name": _PROVIDERS.get(provider, provider),
        "gen_ai.request.model": model,
        "gen_ai.output.type": "image",
    }
    with spans.span(f"generate_content {model}", "client", about) as here:
        try:
            yield
        finally:
            call = asked.call
            here.set("imagegen.outcome", call.outcome)
            if call.model_version:
                here.set("gen_ai.response.model", call.model_version)
            for name in ("input_tokens", "output_tokens"):
                if name in call.usage:
                    here.set(f"gen_ai.usage.{name}", call.usage[name])


@asynccontextmanager
async def open_tracing(settings: Settings) -> AsyncIterator[None]:
    """Trace for the time of the block, if the settings say so; the last spans are sent at its end."""
    if not settings.enable_tracing:
        yield
        return
    make: type[SdkTracer] = import_module(".tracing", __package__).SdkTracer
    tracer = make(settings.collector_service_addr, settings.otel_service_name, VERSION)
    try:
        with spans.traced_by(tracer):
            yield
    finally:
        await asyncio.to_thread(tracer.close, _CLOSING)
