"""HTTP connections that are silent, or whose client does not read, come to an end."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol


class BoundedProtocol(H11Protocol):
    """uvicorn's own protocol, which waits for ever for a request's head and for a reader."""

    head_within = 10.0
    """Seconds from the connection, or from the first byte of a later request, to the end of its head."""
    read_within = 60.0
    """Seconds in which the client must read what was written."""

    _head: asyncio.TimerHandle | None = None
    _reader: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head = self.loop.call_later(self.head_within, self._give_up)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._answering:
            self._head = _stop(self._head)
        elif self._head is None:
            self._head = self.loop.call_later(self.head_within, self._give_up)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._reader = self._reader or self.loop.call_later(self.read_within, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._reader = _stop(self._reader)

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        # Closing waits for what was written; a little of it may still be there, below the high-water mark.
        self._reader = self._reader or self.loop.call_later(self.read_within, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._head, self._reader = _stop(self._head), _stop(self._reader)
        super().connection_lost(exc)

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _give_up(self) -> None:
        self._head = None
        if not self._answering:
            self.transport.abort()


def _stop(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    """Nothing is left to wait for."""
    if timer is not None:
        timer.cancel()
    return None
