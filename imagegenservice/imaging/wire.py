"""How the service and its children talk: a JSON head and raw buffers over a socket, and never code."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Sequence
from typing import Any, Final

MAX_HEAD: Final = 1024 * 1024
MAX_BODY: Final = 256 * 1024 * 1024
_LENGTH: Final = struct.Struct(">I")

Head = dict[str, Any]


class Broken(Exception):
    """What came is not a message, or the other side is gone."""


def send(sock: socket.socket, head: Head, buffers: Sequence[bytes] = ()) -> None:
    """Write one message. Raises OSError when nobody reads it."""
    text = json.dumps({**head, "sizes": [len(buffer) for buffer in buffers]}).encode()
    sock.sendall(_LENGTH.pack(len(text)) + text)
    for buffer in buffers:
        sock.sendall(buffer)


def receive(sock: socket.socket) -> tuple[Head, list[bytes]] | None:
    """Read one message; None at the end of the stream. Raises Broken, OSError."""
    first = sock.recv(1)
    if not first:
        return None
    (length,) = _LENGTH.unpack(first + _exactly(sock, _LENGTH.size - 1))
    if length > MAX_HEAD:
        raise Broken
    try:
        head = json.loads(_exactly(sock, length))
        sizes = head.pop("sizes")
        fits = all(type(size) is int and size >= 0 for size in sizes) and sum(sizes) <= MAX_BODY
    except (ValueError, AttributeError, KeyError, TypeError) as exc:
        raise Broken from exc
    if not fits:
        raise Broken
    return head, [_exactly(sock, size) for size in sizes]


def _exactly(sock: socket.socket, size: int) -> bytes:
    data = bytearray(size)
    view, at = memoryview(data), 0
    while at < size:
        read = sock.recv_into(view[at:])
        if not read:
            raise Broken
        at += read
    return bytes(data)
