"""What a child that touches hostile bytes gives up before it touches any."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import struct
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_SECCOMP: Final = 22
_PR_SET_NO_NEW_PRIVS: Final = 38
_SECCOMP_MODE_FILTER: Final = 2
_RET_ALLOW: Final = 0x7FFF0000
_RET_EPERM: Final = 0x00050000 | 1
_OPEN_FILES: Final = 64

# From the kernel's syscall tables: socket, connect, bind, execve, execveat, ptrace,
# process_vm_writev, and where they exist fork and vfork.
_REFUSED: Final = {
    "x86_64": (0xC000003E, (41, 42, 49, 59, 322, 101, 311, 57, 58)),
    "aarch64": (0xC00000B7, (198, 203, 200, 221, 281, 117, 271)),
}


def confine(parent: int) -> None:
    """
    Give up what decoding does not need. *parent* is the process that started this one.

    No core file, no file written, few open, no more privileges; killed when the parent dies. On x86-64 and
    ARM64 also no socket and no other program, where the kernel lets a process say so.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the parent is gone")
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))
    _refuse_system_calls(libc)


def allow(cpu_seconds: int, megabytes: int) -> None:
    """From now on: this much more CPU time and address space; beyond it the kernel ends us."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + 1 + cpu_seconds
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))
    with open("/proc/self/statm", "rb") as statm:  # noqa: PTH123 - once a job
        now = int(statm.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + megabytes * 1024 * 1024, resource.RLIM_INFINITY))


def _refuse_system_calls(libc: ctypes.CDLL) -> None:
    """A seccomp filter, classic BPF (linux/seccomp.h): these calls fail with EPERM, all others go through."""
    architecture, refused = _REFUSED.get(os.uname().machine, (0, ()))
    if not refused:
        return
    load, equal, give = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K
    program = [(load, 0, 0, 4), (equal, 1, 0, architecture), (give, 0, 0, _RET_EPERM), (load, 0, 0, 0)]
    for left, number in enumerate(reversed(refused)):
        program.insert(4, (equal, left + 1, 0, number))
    program += [(give, 0, 0, _RET_ALLOW), (give, 0, 0, _RET_EPERM)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in program))
    head = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(code)))
    libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, head, 0, 0)
