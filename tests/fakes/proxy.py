"""A line to a neighbour that can fail in every way a line fails."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from typing import Self


class Proxy:
    """
    Forwards TCP to `target` (host:port). `mode`, also for connections that stand:

    ok; down: nobody listens; hang: nothing goes through; slow: each piece waits 0.2 s; reset: the connection
    is reset at the first answer; truncated: it ends after 100 bytes of an answer; garbled: bytes are changed.
    """

    def __init__(self, target: str) -> None:
        self._host, _, port = target.rpartition(":")
        self._port = int(port)
        self._mode = "ok"
        self._released = asyncio.Event()
        self._lines: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.address = ""

    async def __aenter__(self) -> Self:
        await self._listen(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.set("down")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def set(self, mode: str) -> None:
        """Change the mode; standing connections are cut."""
        was, self._mode = self._mode, mode
        self._released.set()
        self._released = asyncio.Event()
        for writer in self._lines:
            _reset(writer)
        if mode == "down" and was != "down":
            self._server.close()
            await self._server.wait_closed()
        if mode != "down" and was == "down":
            await self._listen(int(self.address.rpartition(":")[2]))

    async def _listen(self, port: int) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._lines.add(writer)
        there: asyncio.StreamWriter | None = None
        try:
            answers, there = await asyncio.open_connection(self._host, self._port)
            self._lines.add(there)
            await asyncio.gather(self._pass(reader, there), self._pass(answers, writer, answer=True))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            for line in filter(None, (writer, there)):
                self._lines.discard(line)
                line.close()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answer: bool = False
    ) -> None:
        left = 100
        while data := await reader.read(65536):
            if self._mode == "hang":
                await self._released.wait()
                return
            if self._mode == "slow":
                await asyncio.sleep(0.2)
            if answer and self._mode == "reset":
                _reset(writer)
                return
            if answer and self._mode == "truncated":
                data, left = data[:left], left - len(data)
            if answer and self._mode == "garbled":
                data = bytes(byte ^ 0x55 for byte in data)
            writer.write(data)
            await writer.drain()
            if left <= 0:
                break
        with suppress(OSError):
            writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    if raw is not None and raw.fileno() >= 0:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
