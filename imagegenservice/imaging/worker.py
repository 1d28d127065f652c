"""The life of a child: it takes one job after the other from a fixed table, until its parent lets it go."""

from __future__ import annotations

import ctypes
import gc
import os
import select
import socket
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from .confine import allow, confine
from .headers import Undecodable
from .wire import Broken, Head, receive, send

SMALL: Final = 144
"""Megabytes of address space that a job may ask for and leave its memory to the next one: some 4 MP."""
SOON: Final = 0.2
"""Seconds for which memory is kept for the next job."""
OUT_OF_MEMORY: Final = 3
"""The exit code after a job that needed more than it may have; nothing can be relied upon after it."""

Note = Callable[[Head], None]
Job = Callable[[Head, Sequence[bytes], Note], tuple[Head, bytes]]
"""From arguments and buffers to an answer and an encoded picture; notes may be sent on the way."""


def serve(jobs: Mapping[str, Job]) -> None:
    """Do jobs that come over the socket that is standard input. The parent's process id is the argument."""
    with socket.socket(fileno=0) as sock:
        confine(int(sys.argv[1]))
        trim = ctypes.CDLL(None).malloc_trim
        send(sock, {"ready": True})
        while (message := _next(sock)) is not None:
            head, buffers = message
            allow(head["cpu_seconds"], head["megabytes"])
            answer, picture = _done(jobs[head["job"]], head, buffers, lambda note: send(sock, {"note": note}))
            send(sock, answer, [picture])
            large = head["megabytes"] > SMALL
            del message, buffers, picture, head
            # Fresh pages cost a quarter of a small job, so the next one gets those of the one before.
            if large or not _another_soon(sock):
                gc.collect(0)
                trim(0)


def _another_soon(sock: socket.socket) -> bool:
    return bool(select.select([sock], [], [], SOON)[0])


def _next(sock: socket.socket) -> tuple[Head, list[bytes]] | None:
    try:
        return receive(sock)
    except (Broken, OSError):
        return None  # the parent is gone


def _done(job: Job, head: Head, buffers: Sequence[bytes], note: Note) -> tuple[Head, bytes]:
    try:
        answer, picture = job(head, buffers, note)
    except Undecodable as exc:
        return {"refused": exc.reason, "message": str(exc)}, b""
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    except Exception:  # noqa: BLE001 - it is the parent that logs it and gives it a number
        return {"fault": traceback.format_exc(limit=-8)[-4000:]}, b""
    return {**answer, "done": True}, picture
