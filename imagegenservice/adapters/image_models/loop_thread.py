"""A vendor's client spends milliseconds of CPU on each megabyte, which our event loop must not pay."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final, Self, TypeVar

T = TypeVar("T")

_PATIENCE: Final = 5.0
"""Seconds. A blocking call over there, such as fetching a token, may take longer: it dies with us."""


class LoopThread:
    """A thread with an event loop of its own; what runs there costs the caller's loop a hand-over."""

    def __init__(self, name: str) -> None:
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop
        self._stopped: asyncio.Event

    async def __aenter__(self) -> Self:
        self._thread.start()
        await asyncio.to_thread(self._ready.wait)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Cancel what still runs there, and wait a while for the thread's end."""
        self._loop.call_soon_threadsafe(self._stopped.set)
        await asyncio.to_thread(self._thread.join, _PATIENCE)

    async def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Await *work* over there. Cancelling the caller cancels it."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work(), self._loop))

    def _serve(self) -> None:
        # The runner cancels what is left and awaits it before it closes its loop.
        with asyncio.Runner() as runner:
            runner.run(self._until_stopped())

    async def _until_stopped(self) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        self._ready.set()
        await self._stopped.wait()
