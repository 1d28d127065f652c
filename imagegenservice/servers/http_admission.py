"""The HTTP door's bounds: how many requests at once, and how long a body may take to arrive."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import Overloaded
from .admission import Admission, Kind

_METHOD = "HTTP"


class HttpAdmission:
    """An ASGI middleware; the *exempt* paths, which are those of health, always come in."""

    def __init__(self, app: ASGIApp, admission: Admission, exempt: Collection[str]) -> None:
        self._app = app
        self._admission = admission
        self._exempt = frozenset(exempt)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self._exempt:
            await self._app(scope, receive, send)
            return
        try:
            with self._admission.place(Kind.HTTP, _METHOD):
                await self._app(scope, self._in_time(receive), send)
        except Overloaded as exc:
            wait = str(math.ceil(exc.retry_after or 1))
            await PlainTextResponse(exc.public, 429, {"retry-after": wait})(scope, receive, send)

    def _in_time(self, receive: Receive) -> Receive:
        """*receive* that takes the caller for gone when the body does not arrive in time."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._admission.bounds.arrival
        whole = False

        async def bounded() -> Message:
            nonlocal whole
            if whole:
                return await receive()
            try:
                async with asyncio.timeout_at(end):
                    message = await receive()
            except TimeoutError:
                return {"type": "http.disconnect"}
            whole = not message.get("more_body", False)
            return message

        return bounded
