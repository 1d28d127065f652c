"""One call to Gemini through Google's SDK, with certainty about what was sent and what came back."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, Self, cast

import httpx2
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
from google.genai import Client
from google.genai.errors import APIError
from google.genai.types import (
    Content,
    GenerateContentConfig,
    GenerateContentResponse,
    HttpOptions,
    HttpRetryOptions,
)

from ...errors import DrawingFailed, EngineAway
from ...failpoints import crash_at
from .gemini_answers import Answered, Declined, declined_with, malformed, read_answer, read_error
from .loop_thread import LoopThread

CONNECT_TIMEOUT: Final = 5.0
MAX_ANSWER: Final = 64 * 1024 * 1024
"""Bytes. A 4K picture as base64 has about 30 MiB."""


@dataclass(frozen=True, slots=True)
class Vertex:
    """Where on Vertex AI."""

    project: str
    location: str


@dataclass(slots=True)
class _Trace:
    """How far one exchange came."""

    sent: bool = False
    status: int = 0
    whole: bool = False

    async def note(self, event: str, _: dict[str, Any]) -> None:
        self.sent |= event.endswith(".send_request_headers.started")
        if event.endswith(".receive_response_headers.started"):
            crash_at("calling")


_TRACE: ContextVar[_Trace] = ContextVar("gemini_trace")


class Wire:
    """The SDK's client on an event loop of its own."""

    def __init__(self, thread: LoopThread, vertex: Vertex | None, concurrency: int) -> None:
        self._thread = thread
        self._vertex = vertex
        self._concurrency = concurrency
        self._tls: ssl.SSLContext
        self._http: httpx2.AsyncClient
        self._client: tuple[str, Client] | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls, vertex: Vertex | None, concurrency: int) -> AsyncIterator[Self]:
        """Nothing is sent before the first exchange."""
        async with LoopThread("gemini") as thread:
            wire = cls(thread, vertex, concurrency)
            await thread.run(wire._connect)
            try:
                yield wire
            finally:
                await thread.run(wire._http.aclose)

    async def exchange(
        self, key: str, model: str, content: Content, config: GenerateContentConfig, *, seconds: float
    ) -> Answered | Declined:
        """
        Ask once, within *seconds*. *key* is not used on Vertex.

        Raises EngineAway when the request may have been done and its answer was lost.
        """
        return await self._thread.run(lambda: self._exchange(key, model, content, config, seconds))

    def forget_credentials(self) -> None:
        """Make the next exchange load the credentials again."""
        self._client = None

    async def _connect(self) -> None:
        self._tls = httpx2.create_ssl_context()
        limits = httpx2.Limits(max_connections=self._concurrency, keepalive_expiry=5.0)
        # Nothing compressed: what comes in is then what MAX_ANSWER bounds.
        self._http = httpx2.AsyncClient(
            transport=_Transport(verify=self._tls, limits=limits),
            follow_redirects=False,
            headers={"Accept-Encoding": "identity"},
        )

    async def _exchange(
        self, key: str, model: str, content: Content, config: GenerateContentConfig, seconds: float
    ) -> Answered | Declined:
        trace = _Trace()
        _TRACE.set(trace)
        # Also tells the server when nobody waits any more: X-Server-Timeout.
        options = HttpOptions(timeout=max(1, round(1000 * seconds)))
        config = config.model_copy(update={"http_options": options})
        try:
            async with asyncio.timeout(seconds):
                models = self._client_for(key).aio.models
                response = await models.generate_content(model=model, contents=content, config=config)
        except _FORESEEN as exc:
            return _explain(exc, trace)
        return _read(response)

    def _client_for(self, key: str) -> Client:
        # Read once: another thread may forget the credentials at any time.
        current = self._client
        if current is None or current[0] != key:
            current = self._client = (key, self._make_client(key))
        return current[1]

    def _make_client(self, key: str) -> Client:
        # The SDK would take aiohttp where it happens to be installed, which repeats requests unasked.
        options = HttpOptions(
            httpx_async_client=cast("Any", self._http),
            retry_options=HttpRetryOptions(attempts=1),
            # For connections that are never made, but whose certificates it would load for 90 ms.
            client_args={"verify": self._tls},
            async_client_args={"verify": self._tls, "ssl": self._tls},
        )
        if self._vertex is None:
            return Client(enterprise=False, api_key=key, http_options=options)
        # Both by name: taken from the environment they are lost as soon as a base URL is set.
        where = self._vertex
        return Client(enterprise=True, project=where.project, location=where.location, http_options=options)


# What the SDK, httpx2 and google-auth raise, and what parsing an answer that is no such answer may raise.
_FORESEEN: Final = (
    APIError,
    GoogleAuthError,
    httpx2.HTTPError,
    httpx2.InvalidURL,
    ArithmeticError,
    AttributeError,
    LookupError,
    OSError,
    RuntimeError,
    TimeoutError,
    TypeError,
    ValueError,
)


def _read(response: GenerateContentResponse) -> Answered:
    try:
        return read_answer(response)
    except _FORESEEN:
        return malformed()


def _explain(exc: Exception, trace: _Trace) -> Answered | Declined:
    """The outcome behind *exc*. Its text may hold anything, so it goes no further."""
    if isinstance(exc, APIError):
        return read_error(exc)
    if not trace.sent:
        return _not_sent(exc)
    if trace.status >= 300:
        return declined_with(trace.status)
    if trace.status and trace.whole:
        return malformed()
    if isinstance(exc, (TimeoutError, httpx2.TimeoutException)):
        raise EngineAway("The image model took too long.", reason="ENGINE_TIMED_OUT") from None
    raise EngineAway("The connection to the image model broke.") from None


def _not_sent(exc: Exception) -> Declined:
    if isinstance(exc, DefaultCredentialsError):
        fault: DrawingFailed = DrawingFailed(
            "There are no credentials for the image model.", reason="CREDENTIALS_MISSING"
        )
        return Declined("no credentials", fault, key_rejected=True)
    if isinstance(exc, GoogleAuthError):
        fault = EngineAway("The credentials for the image model could not be used.")
        return Declined("no token", fault, key_rejected=True)
    if isinstance(exc, (TimeoutError, OSError, httpx2.TransportError)):
        return Declined("not reached", EngineAway("The image model cannot be reached."), again=True)
    fault = DrawingFailed("The request to the image model could not be made.", reason="REQUEST_REJECTED")
    return Declined("not sent", fault)


class _Transport(httpx2.AsyncHTTPTransport):
    """Follows each request into its trace, connects within CONNECT_TIMEOUT, and bounds the answer."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        trace = _TRACE.get()
        timeouts = {
            **request.extensions.get("timeout", {}),
            "connect": CONNECT_TIMEOUT,
            "pool": CONNECT_TIMEOUT,
        }
        request.extensions = {**request.extensions, "timeout": timeouts, "trace": trace.note}
        response = await super().handle_async_request(request)
        trace.status = response.status_code
        response.stream = _Body(cast("httpx2.AsyncByteStream", response.stream), trace)
        return response


class _Body(httpx2.AsyncByteStream):
    """An answer's body up to MAX_ANSWER, that says when it came to its end."""

    def __init__(self, stream: httpx2.AsyncByteStream, trace: _Trace) -> None:
        self._stream = stream
        self._trace = trace

    async def __aiter__(self) -> AsyncIterator[bytes]:
        taken = 0
        async for chunk in self._stream:
            taken += len(chunk)
            if taken > MAX_ANSWER:
                raise httpx2.ReadError(f"more than {MAX_ANSWER} bytes")
            yield chunk
        self._trace.whole = True

    async def aclose(self) -> None:
        await self._stream.aclose()
