"""
Forks the service's own children from a process that has imported what they need: in 0.02 s, not in 0.5.

From then on they are the real thing: confined, limited, told to work over the same socket, and gone with
whoever asked for them. How the service starts them by itself is tested in unit/test_children.py, hostile/ and
e2e/, where nobody forks for it.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, NoReturn

import cv2
from PIL import Image

from imagegenservice import children
from imagegenservice.imaging import compose_jobs, quick_jobs
from imagegenservice.imaging.worker import serve

TABLES: Final = {quick_jobs.__name__: lambda: quick_jobs.JOBS, compose_jobs.__name__: compose_jobs.table}
ONE_THREAD: Final = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""For the environment of whoever is forked from: a process with threads is not one to fork."""
_PR_SET_PDEATHSIG: Final = 1


class Forked:
    """What imagegenservice.children asks of a subprocess.Popen."""

    def __init__(self, midwife: Midwife, command: list[str], *, stdin: int, **_: Any) -> None:
        self.pid, self._process, self._status = midwife.bear(command[command.index("-m") + 1], stdin)
        self._code: int | None = None
        self._reading = threading.Lock()

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._process, signal.SIGKILL)

    def poll(self) -> int | None:
        return self.wait(0)

    def wait(self, seconds: float | None = None) -> int | None:
        """Its exit code, negative for a signal's; None when the time is over."""
        with self._reading:
            if self._code is None and select.select([self._status], [], [], seconds)[0]:
                self._code = int(os.read(self._status, 16) or -signal.SIGKILL)
            return self._code

    def __del__(self) -> None:
        os.close(self._process)
        os.close(self._status)


class Midwife:
    """The line to a process that forks."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._one_at_a_time = threading.Lock()

    def bear(self, module: str, stdin: int) -> tuple[int, int, int]:
        """A process id, a descriptor of the process, and one that its exit code will come from."""
        with self._one_at_a_time:
            socket.send_fds(self._line, [module.encode()], [stdin])
            pid, (process, status), _, _ = socket.recv_fds(self._line, 16, 2)
        return int(pid), process, status

    @property
    def subprocess(self) -> SimpleNamespace:
        """In the place of the module, for imagegenservice.children."""
        return SimpleNamespace(Popen=lambda *args, **more: Forked(self, *args, **more), DEVNULL=None)


@contextmanager
def midwife() -> Iterator[Midwife]:
    """One for a process that has threads already."""
    ours, theirs = _line()
    variables = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **ONE_THREAD}
    with theirs:
        process = subprocess.Popen([sys.executable, str(Path(__file__))], stdin=theirs, env=variables)
    with process, ours:
        yield Midwife(ours)


def settle_in() -> None:
    """In a process that has no threads yet: from now on its children come from a midwife of its own."""
    ours, theirs = _line()
    if not os.fork():
        ours.close()
        _attend(theirs)
    theirs.close()
    children.subprocess = Midwife(ours).subprocess  # type: ignore[attr-defined]


def _line() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def _attend(line: socket.socket) -> NoReturn:
    # The other end closes when its process dies, and with the midwife die those whom it bore.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        module, handles, _, _ = socket.recv_fds(line, 256, 1)
        if not module:
            os._exit(0)
        if not os.fork():
            _mother(line, module.decode(), handles[0])
        os.close(handles[0])


def _mother(line: socket.socket, module: str, stdin: int) -> NoReturn:
    """Stays to hear how its child ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    told, tell = os.pipe()
    pid = os.fork()
    if not pid:
        _become(module, stdin)
    socket.send_fds(line, [str(pid).encode()], [os.pidfd_open(pid), told])
    line.close()
    os.close(stdin)
    os.close(told)
    os.write(tell, str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())
    os._exit(0)


def _become(module: str, stdin: int) -> NoReturn:
    code = 1
    try:
        os.dup2(stdin, 0)
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        os.closerange(3, 64)
        os.chdir("/")
        os.environ.clear()
        sys.argv = [module, str(os.getppid())]
        cv2.setNumThreads(1)
        Image.preinit()
        serve(TABLES[module]())
        code = 0
    finally:
        os._exit(code)


if __name__ == "__main__":
    _attend(socket.socket(fileno=os.dup(0)))
