"""HTTP/2 frames by hand, for clients that do what no library would."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, WINDOW = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK = 0x1, 0x4, 0x1


class Frame(NamedTuple):
    kind: int
    flags: int
    stream: int
    body: bytes


def frame(kind: int, flags: int, stream: int, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body))[1:] + struct.pack(">BBI", kind, flags, stream) + body


def _text(value: str) -> bytes:
    return bytes([len(value)]) + value.encode()


def head(path: str) -> bytes:
    """The head of a gRPC call, in HPACK's literals that are not indexed."""
    pairs = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "test",
        "content-type": "application/grpc",
        "te": "trailers",  # codespell:ignore te
    }
    return b"".join(b"\x00" + _text(name) + _text(value) for name, value in pairs.items())


def message(data: bytes) -> bytes:
    """A message as gRPC frames it."""
    return b"\x00" + struct.pack(">I", len(data)) + data


class Connection:
    """`window` is what each stream may be sent before we allow more."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, *frames: bytes) -> None:
        self._writer.write(b"".join(frames))

    async def read(self) -> Frame:
        """Raises IncompleteReadError when the server has hung up."""
        begin = await self._reader.readexactly(9)
        length = int.from_bytes(begin[:3], "big")
        kind, flags, stream = struct.unpack(">BBI", begin[3:])
        return Frame(kind, flags, stream, await self._reader.readexactly(length))

    async def until(self, kind: int) -> Frame:
        """The next frame of a kind; settings and pings on the way are answered."""
        while True:
            found = await self.read()
            if found.kind in {SETTINGS, PING} and not found.flags & ACK:
                self.send(frame(found.kind, ACK, 0, found.body if found.kind == PING else b""))
            if found.kind == kind:
                return found

    async def hung_up(self) -> None:
        """Wait until the server has."""
        try:
            while await self._reader.read(1 << 16):
                pass
        except ConnectionError:
            pass


@asynccontextmanager
async def opened(port: int, window: int = 65535) -> AsyncIterator[Connection]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    connection = Connection(reader, writer)
    connection.send(PREFACE, frame(SETTINGS, 0, 0, struct.pack(">HI", 4, window)))
    try:
        yield connection
    finally:
        writer.close()
