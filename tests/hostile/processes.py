"""The memory of a process and of its children, as the kernel counts it."""

from __future__ import annotations

from pathlib import Path


def family(pid: int) -> list[int]:
    """A process and its children."""
    children = Path(f"/proc/{pid}/task").glob("*/children")
    return [pid, *(int(child) for tasks in children for child in tasks.read_text().split())]


def memory(pids: list[int]) -> int:
    """Bytes; pages that several of them use are counted once."""
    return sum(_of(pid, "smaps_rollup", "Pss:") for pid in pids)


def resident(pid: int) -> int:
    """Bytes of one process, with all that it shares."""
    return _of(pid, "status", "VmRSS:")


def _of(pid: int, file: str, name: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except OSError:
        return 0  # it has just ended
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))
