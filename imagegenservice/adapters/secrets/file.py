"""A secret in a mounted file, as Kubernetes and its operators put it there and replace it."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Final

from ...errors import Unavailable
from ...ports import Secret

log = logging.getLogger(__name__)

MAX_BYTES: Final = 64 * 1024  # as Secret Manager takes them
_NEVER: Final = (0, 0, 0)


class FileSecret(Secret):
    """The text of *path* without the white space around it, read again when the file was changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = _NEVER
        self._value = ""

    async def read(self) -> str:
        # Even a look at a file may block: the mount may be a network's.
        try:
            await asyncio.to_thread(self._look)
        except (OSError, ValueError) as exc:
            # While the mount is swapped there may be no file for a moment.
            if not self._value:
                raise Unavailable(f"The secret's file cannot be read ({type(exc).__name__}).") from None
            log.warning("a secret's file cannot be read, its last value is kept")
        return self._value

    def distrust(self) -> None:
        self._seen = _NEVER

    def _look(self) -> None:
        # A rename keeps the time of writing, a swapped link changes the inode, a rewrite the time.
        stat = self._path.stat()
        found = (stat.st_dev, stat.st_ino, stat.st_mtime_ns)
        if found == self._seen:
            return
        with self._path.open("rb") as file:
            value = file.read(MAX_BYTES + 1)
        if len(value) > MAX_BYTES or not value.strip():
            raise ValueError("empty or too long")
        self._value, self._seen = value.decode().strip(), found
