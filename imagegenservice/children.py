"""Our own processes that touch hostile bytes in our place: kept warm, limited, killed when slow."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from .budget import Budget
from .imaging.wire import Broken, Head, receive, send

log = logging.getLogger(__name__)

_START_WITHIN: Final = 30.0
_GRACE: Final = 0.25
"""Seconds in which a job that nobody waits for any more may end by itself, so that its child stays warm."""
_REMEMBERED: Final = 512

Note = Callable[[Head], None]


class ChildDied(Exception):
    """The child ended during the job, by itself or by a limit."""

    def __init__(self, code: int, *, slow: bool) -> None:
        super().__init__(f"a child ended with {code}")
        self.slow = slow


class Child:
    """One process. It is started by the first job, and again by the next one after it died."""

    def __init__(self, module: str) -> None:
        self.keys: dict[str, None] = {}
        """What this child was last given to remember, oldest first."""
        self._module = module
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._killed = False
        self._closed = False
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start it unless it runs. Blocks until it is ready. Raises ChildDied."""
        with self._lock:
            self._started()

    def ask(self, head: Head, buffers: Sequence[bytes], note: Note) -> tuple[Head, bytes]:
        """Have one job done; blocks. Raises ChildDied, and RuntimeError for a fault of ours."""
        with self._lock:
            self._killed = False
            sock = self._started()
            try:
                send(sock, head, buffers)
                answer, picture = self._answer(sock, note)
            except (OSError, Broken) as exc:
                raise self._ended() from exc
        if "fault" in answer:
            raise RuntimeError(f"a job failed in a child: {answer['fault']}")
        return answer, picture

    def kill(self) -> None:
        """End it at once, whatever it does. From any thread."""
        self._killed = True
        if (process := self._process) is not None:
            process.kill()

    def close(self) -> None:
        """End it for good: a thread that is about to start it no longer does."""
        self._closed = True
        self.kill()
        with self._lock:
            self._ended()

    @property
    def pid(self) -> int | None:
        """Its process id, while it runs."""
        return self._process.pid if self._process is not None else None

    def _started(self) -> socket.socket:
        if self._socket is not None and self._process is not None and self._process.poll() is None:
            return self._socket
        ended = self._ended()
        if self._closed:
            raise ended
        ours, theirs = socket.socketpair()
        with theirs:
            # No fork of ours runs any Python: gRPC's threads do not survive one.
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-s", "-P", "-m", self._module, str(os.getpid())],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env=_environment(),
            )
        self._socket = ours
        try:
            ours.settimeout(_START_WITHIN)
            ready = receive(ours)
            ours.settimeout(None)
        except (OSError, Broken) as exc:
            raise self._ended() from exc
        if ready is None or self._killed:
            raise self._ended()
        return ours

    def _answer(self, sock: socket.socket, note: Note) -> tuple[Head, bytes]:
        while (message := receive(sock)) is not None:
            head, buffers = message
            if "note" not in head:
                return head, buffers[0]
            note(head["note"])
        raise Broken

    def _ended(self) -> ChildDied:
        code, slow = 0, self._killed
        if self._socket is not None:
            self._socket.close()
        if self._process is not None:
            self._process.kill()
            code = self._process.wait()
        self._socket, self._process = None, None
        self.keys.clear()
        return ChildDied(code, slow=slow or code == -signal.SIGXCPU)


def _environment() -> dict[str, str]:
    """No setting and no secret of the service's; one thread a child."""
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "TZ") if name in os.environ}
    paths = [str(Path(__file__).parents[1]), *filter(None, sys.path)]
    single = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
    return {"PYTHONPATH": os.pathsep.join(paths), "LANG": "C.UTF-8", **single, **kept}


class Crew:
    """Up to *size* children that do the same jobs. As few of them are started as the work needs."""

    def __init__(self, module: str, size: int, waiting: int) -> None:
        self._children = [Child(module) for _ in range(size)]
        self._free = list(self._children)
        self._places = Budget(size, waiting)
        self._threads = ThreadPoolExecutor(size, thread_name_prefix="darkroom")

    def warm(self) -> None:
        """Start the first child now, in the background."""
        self._threads.submit(self._children[-1].start)

    @property
    def pids(self) -> list[int]:
        """The children that run."""
        return [child.pid for child in self._children if child.pid is not None]

    async def ask(
        self,
        head: Head,
        buffers: Sequence[bytes],
        note: Note = lambda _: None,
        *,
        keys: Collection[str] = (),
        seconds: float | None = None,
        patience: float | None = None,
    ) -> tuple[Head, bytes]:
        """
        Have a job done by the free child that remembers most of *keys*; killed after *seconds*.

        A cancelled job is killed too. Raises ChildDied, Overloaded (see Budget.share), and RuntimeError.
        """
        async with self._places.share(1, patience):
            child = max(reversed(self._free), key=lambda one: len(one.keys.keys() & set(keys)))
            self._free.remove(child)
            try:
                answer = await self._asked(child, head, buffers, note, seconds)
                for key in keys:
                    child.keys.pop(key, None)
                    child.keys[key] = None
                for key in list(child.keys)[:-_REMEMBERED]:
                    del child.keys[key]
                return answer
            finally:
                self._free.append(child)

    async def _asked(
        self, child: Child, head: Head, buffers: Sequence[bytes], note: Note, seconds: float | None
    ) -> tuple[Head, bytes]:
        loop = asyncio.get_running_loop()
        asked = loop.run_in_executor(self._threads, child.ask, head, buffers, note)
        deadline = None if seconds is None else loop.call_later(seconds, child.kill)
        try:
            return await asyncio.shield(asked)
        except asyncio.CancelledError:
            try:
                await asyncio.wait([asked], timeout=_GRACE)
            finally:
                if not asked.done():
                    child.kill()
                    asked.add_done_callback(_heard)
            raise
        finally:
            if deadline is not None:
                deadline.cancel()

    def close(self) -> None:
        """End all children; jobs that run fail."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for child in self._children:
            child.close()


def _heard(asked: asyncio.Future[tuple[Head, bytes]]) -> None:
    """Take note of how it ended, which nobody else does."""
    if not asked.cancelled():
        asked.exception()
