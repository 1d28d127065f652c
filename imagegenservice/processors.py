"""How many processors this process may use: those of its cpuset, less where its control group has a quota."""

from __future__ import annotations

import math
import os
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


def usable(root: Path = _ROOT, own: Path = _OWN) -> int:
    """At least 1. Quotas are rounded up. *root* and *own* are where the kernel says it."""
    allowed = len(os.sched_getaffinity(0))
    quota = min((_quota(folder) for folder in _groups(root, own)), default=math.inf)
    return max(1, math.ceil(min(allowed, quota)))


def _groups(root: Path, own: Path) -> list[Path]:
    """The folders of our control group and of those that it lies in; of version 2, and of version 1's cpu."""
    folders = [root, root / "cpu"]
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return folders
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        base = root / "cpu" if controllers else root
        inner = base / path.strip("/")
        folders += [inner, *(above for above in inner.parents if above.is_relative_to(base))]
    return folders


def _quota(folder: Path) -> float:
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text().strip()
            period = (folder / "cpu.cfs_period_us").read_text().strip()
        share = float(quota) / float(period)
    except (OSError, ValueError, ZeroDivisionError):
        return math.inf  # none is set, or none can be read
    return share if share > 0 else math.inf
