"""Where we are in a caller's trace, and spans around what we do. Without tracing they cost nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, Literal, Protocol, Self, TypeAlias

from .errors import DrawingFailed, GenerationNotFound, ImageGenError, Refusal, StorageError

Kind = Literal["internal", "server", "client"]
Attribute: TypeAlias = str | int | float | bool

_TRACEPARENT: Final = re.compile(
    r"(?P<version>(?!ff)[0-9a-f]{2})-(?P<trace>(?!0{32})[0-9a-f]{32})"
    r"-(?P<span>(?!0{16})[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?P<more>-[ -~]{0,256})?"
)
_PLAIN: Final = re.compile(r"[ -~]*")
_MAX_STATE: Final = 512
_MAX_BAGGAGE: Final = 8192
"""Characters that https://www.w3.org/TR/baggage/#limits asks to be passed on."""


@dataclass(frozen=True, slots=True)
class Place:
    """A position in a trace: W3C Trace Context, and the baggage that travels along."""

    trace_id: str
    span_id: str
    sampled: bool
    state: str = ""
    baggage: str = ""

    @property
    def traceparent(self) -> str:
        """The header that tells others where we are."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"


class Span(Protocol):
    """Something that takes time."""

    @property
    def place(self) -> Place: ...

    def set(self, name: str, value: Attribute) -> None: ...

    def end(self, reason: str, *, failed: bool) -> None: ...


class Tracer(Protocol):
    """What makes spans; tracing.py has the one there is."""

    def start(
        self, name: str, kind: Kind, parent: Place | None, attributes: Mapping[str, Attribute]
    ) -> Span: ...


class _Switch:
    tracer: Tracer | None = None


_place: ContextVar[Place | None] = ContextVar("place", default=None)


def place() -> Place | None:
    """Where we are; None outside of any trace."""
    return _place.get()


def traceparent() -> str:
    """Where we are, in one word for a record; empty outside of any trace."""
    here = _place.get()
    return here.traceparent if here else ""


def headers() -> dict[str, str]:
    """What a call to a trusted neighbour carries, so that its spans join ours."""
    here = _place.get()
    if here is None:
        return {}
    found = {"traceparent": here.traceparent, "tracestate": here.state, "baggage": here.baggage}
    return {name: value for name, value in found.items() if value}


def go_to(there: Place | None) -> None:
    """Go on at *there* for the rest of this task."""
    _place.set(there)


def read_place(parent: str, state: str = "", baggage: str = "") -> Place | None:
    """
    The place that a caller's headers name; None when they name none.

    See https://www.w3.org/TR/trace-context/: a version behind 00 may say more behind its flags.
    """
    match = _TRACEPARENT.fullmatch(parent)
    if match is None or (match["version"] == "00" and match["more"]):
        return None
    sampled = bool(int(match["flags"], 16) & 1)
    return Place(
        match["trace"], match["span"], sampled, _bounded(state, _MAX_STATE), _bounded(baggage, _MAX_BAGGAGE)
    )


def _bounded(text: str, limit: int) -> str:
    return text if len(text) <= limit and _PLAIN.fullmatch(text) else ""


@contextmanager
def traced_by(tracer: Tracer) -> Iterator[None]:
    """Let *tracer* make the spans of this process for the time of the block."""
    before, _Switch.tracer = _Switch.tracer, tracer
    try:
        yield
    finally:
        _Switch.tracer = before


def verdict(exc: BaseException) -> tuple[str, bool]:
    """What an exception is called in spans and metrics, and whether something is wrong with it."""
    if isinstance(exc, StorageError):
        return type(exc).__name__, False
    if isinstance(exc, ImageGenError):
        asked_for = isinstance(exc, (Refusal, GenerationNotFound)) and not isinstance(exc, DrawingFailed)
        return exc.reason, not asked_for
    return type(exc).__name__, isinstance(exc, Exception)


class Block:
    """A span for the time of a `with` block. This one is what there is without tracing: nothing."""

    __slots__ = ()

    def set(self, name: str, value: Attribute) -> None:
        """Note something about it: names and numbers of our own, nothing personal, no URLs."""

    def end(self, exc: BaseException | None = None) -> None:
        """End it before its block does, with what went wrong."""

    def close(self, reason: str, *, failed: bool) -> None:
        """The same, in words."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, exc: BaseException | None, trace: object) -> None:
        """Errors go on."""


class _LiveBlock(Block):
    __slots__ = ("_before", "_ended", "_span")

    def __init__(self, span: Span) -> None:
        self._span = span
        self._before = _place.get()
        self._ended = False

    def set(self, name: str, value: Attribute) -> None:
        self._span.set(name, value)

    def end(self, exc: BaseException | None = None) -> None:
        reason, failed = verdict(exc) if exc is not None else ("", False)
        self.close(reason, failed=failed)

    def close(self, reason: str, *, failed: bool) -> None:
        if not self._ended:
            self._ended = True
            self._span.end(reason, failed=failed)

    def __enter__(self) -> Self:
        _place.set(self._span.place)
        return self

    def __exit__(self, kind: object, exc: BaseException | None, trace: object) -> None:
        # Set, not reset by its token: an abandoned generator is closed in another context than it began in.
        _place.set(self._before)
        self.end(exc)


_NOTHING: Final = Block()
_NO_ATTRIBUTES: Final[Mapping[str, Attribute]] = {}


def span(name: str, kind: Kind = "internal", attributes: Mapping[str, Attribute] = _NO_ATTRIBUTES) -> Block:
    """
    A span around the block, below the place where we are.

    Calls out that nobody's call led to, such as those of the sweep, are not worth traces of their own.
    """
    tracer = _Switch.tracer
    if tracer is None or (kind == "client" and _place.get() is None):
        return _NOTHING
    return _LiveBlock(tracer.start(name, kind, _place.get(), attributes))


class Steps:
    """Spans that follow one another: each ends where the next begins, the last one with the block."""

    def __init__(self, first: str) -> None:
        self._first = first
        self._step: Block = _NOTHING

    def next(self, name: str) -> None:
        """End the step before and begin this one."""
        self._step.__exit__(None, None, None)
        self._step = span(name).__enter__()

    def __enter__(self) -> Self:
        self.next(self._first)
        return self

    def __exit__(self, kind: object, exc: BaseException | None, trace: object) -> None:
        self._step.__exit__(kind, exc, trace)
        self._step = _NOTHING
