"""What the kernel knows of a process and its children: CPU time, memory, and the processor they run on."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
MB = 1_000_000
CORES = sorted(os.sched_getaffinity(0))
"""The processors: the first is the service's where it gets only one, the others are for what is around it."""


@dataclass(frozen=True)
class Spent:
    """CPU seconds of a process, and of all below it, ended ones included."""

    parent: float
    children: float

    @property
    def total(self) -> float:
        """Both."""
        return self.parent + self.children

    def __sub__(self, before: Spent) -> Spent:
        """What was spent in between."""
        return Spent(self.parent - before.parent, self.children - before.children)

    def each(self, count: int) -> Spent:
        """The same for one of *count*."""
        return Spent(self.parent / count, self.children / count)


def tree(root: int) -> Iterator[int]:
    """*root* and all that descend from it."""
    yield root
    with suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{root}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from tree(int(child))


def spent(root: int) -> Spent:
    """From utime, stime, cutime and cstime of /proc/PID/stat: see proc_pid_stat(5)."""
    own, below = _times(root)
    for child in list(tree(root))[1:]:
        below += sum(_times(child))
    return Spent(own, below)


def _times(pid: int) -> tuple[float, float]:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0, 0.0  # it ended just now, and is in its parent's cutime
    user, system, ended_user, ended_system = (int(field) / TICKS for field in fields[11:15])
    return user + system, ended_user + ended_system


def memory(root: int) -> float:
    """Megabytes of the whole tree; pages that several of them use are counted once."""
    return sum(_lines(pid, "smaps_rollup", "Pss:") for pid in tree(root)) / MB


def resident(pid: int) -> float:
    """Megabytes of one process, with all that it shares."""
    return _lines(pid, "status", "VmRSS:") / MB


def _lines(pid: int, file: str, name: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


@dataclass
class Peak:
    """The most memory that was seen, in megabytes."""

    megabytes: float = 0.0


@asynccontextmanager
async def watched(root: int, every: float = 0.02) -> AsyncIterator[Peak]:
    """Look at the memory of the tree again and again during the block."""
    peak = Peak()

    async def look() -> None:
        while True:
            peak.megabytes = max(peak.megabytes, await asyncio.to_thread(memory, root))
            await asyncio.sleep(every)

    task = asyncio.create_task(look())
    try:
        yield peak
        peak.megabytes = max(peak.megabytes, await asyncio.to_thread(memory, root))
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@contextmanager
def on_cores(cores: Sequence[int]) -> Iterator[None]:
    """This process, and what it starts during the block, runs on these processors only."""
    _stay_on(cores)
    try:
        yield
    finally:
        _stay_on(CORES)


def _stay_on(cores: Sequence[int]) -> None:
    for task in Path("/proc/self/task").iterdir():
        with suppress(ProcessLookupError):
            os.sched_setaffinity(int(task.name), set(cores))
