"""make bench: all rows, or those that are named, as one table. Ends with 1 when a row cannot be measured."""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
import time
import traceback
from collections.abc import AsyncIterator, Callable

from . import accepts, compositor, generations, start, status, uploads, watchers
from .table import HEAD, Line, markdown

ROWS: dict[str, Callable[[], AsyncIterator[Line]]] = {
    "status": status.measure,
    "accepts": accepts.accepted,
    "held": accepts.held,
    "generations": generations.text_only,
    "watchers": watchers.measure,
    "upload": uploads.one,
    "compositor": compositor.measure,
    "cpu": generations.megabyte,
    "start": start.measure,
    "uploads": uploads.many,
}


async def show(names: list[str]) -> int:
    """Write each line as soon as it is known; how many rows failed."""
    print(
        f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} processors, "
        f"load {os.getloadavg()[0]:.1f}\n\n{markdown(HEAD)}\n{markdown(['---'] * len(HEAD))}",
        flush=True,
    )
    failed = 0
    for name in names:
        begin = time.perf_counter()
        try:
            async for line in ROWS[name]():
                print(markdown(line.cells), flush=True)
        except Exception:  # noqa: BLE001 - one row's failure is no reason to leave out the others
            traceback.print_exc()
            print(markdown((name, "CANNOT BE MEASURED", "", "", "FAIL", "")), flush=True)
            failed += 1
        sys.stderr.write(f"{name}: {time.perf_counter() - begin:.0f} s, load {os.getloadavg()[0]:.1f}\n")
    return failed


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help=f"of {', '.join(ROWS)}; by commas")
    names = [name for name in parser.parse_args().only.split(",") if name] or list(ROWS)
    if unknown := set(names) - set(ROWS):
        parser.error(f"no such row: {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    sys.exit(1 if asyncio.run(show(names)) else 0)


if __name__ == "__main__":
    main()
