"""An object storage in a folder of this machine, so that nothing has to be installed."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import ParamSpec, Self, TypeVar
from uuid import uuid4

from ...errors import AlreadyExists, ConfigurationError, KeyNotFound, Overloaded, Unavailable
from ...ports import ObjectStorage, Surroundings
from ...urls import AdapterUrl
from .keys import for_reading, for_writing, is_key

P = ParamSpec("P")
R = TypeVar("R")

TIMEOUT = 10.0
"""Seconds until a call on a hanging disk gives up."""
THREADS = 4
MOST_WAITING = 200
ABANDONED_AFTER = 3600.0
"""Seconds after which an unfinished file cannot be in the making any more."""

log = logging.getLogger(__name__)


class Filesystem(ObjectStorage):
    """
    file:///absolute/folder. The folder is made.

    Several processes may share it. It needs hard links, which make a finished file appear at once, whole,
    and only if there is none under that name.
    """

    def __init__(self, folder: Path) -> None:
        """Raises ConfigurationError when nothing can be stored there. Blocks."""
        self._folder = folder.resolve()
        # A key never begins with a dot, so that this folder is nobody's key.
        self._unfinished = self._folder / ".unfinished"
        self._pool = ThreadPoolExecutor(THREADS, "object-storage")
        self._waiting = 0
        try:
            _make(self._unfinished)
            self._sweep()
            self._try_out()
        except OSError as exc:
            raise ConfigurationError(f"pictures cannot be stored in {folder}: {exc}") from exc

    @classmethod
    @asynccontextmanager
    async def open(cls, url: AdapterUrl, surroundings: Surroundings) -> AsyncIterator[Self]:  # noqa: ARG003
        """Make the folder and see that it can be written."""
        if url.host or url.query or not url.path.startswith("/") or url.path == "/":
            raise ConfigurationError(f"{url.text}: write file:///absolute/folder, without options")
        storage = await asyncio.to_thread(cls, Path(url.path))
        try:
            yield storage
        finally:
            await asyncio.to_thread(storage._pool.shutdown)  # noqa: SLF001 - its own class

    async def put(self, key: str, data: bytes, media_type: str) -> None:  # noqa: ARG002 - the key says it
        """Equal bytes again count as stored now."""
        await self._run(self._put, for_writing(key), data)

    async def get(self, key: str) -> bytes:
        """The bytes that were put."""
        return await self._run(self._get, for_reading(key))

    async def delete(self, key: str) -> None:
        """Idempotent. Folders stay."""
        if is_key(key):
            await self._run(self._delete, key)

    async def list_older(self, prefix: str, before: datetime, limit: int) -> list[str]:
        """In the order of the names in each folder."""
        return await self._run(self._list, prefix, before.timestamp(), limit)

    async def url(self, key: str) -> str | None:  # noqa: ARG002
        """None: our own HTTP door serves it."""
        return None

    async def _run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        if self._waiting >= MOST_WAITING:
            raise Overloaded("Too many calls wait for the object storage.")
        self._waiting += 1
        try:
            with _translated():
                async with asyncio.timeout(TIMEOUT):
                    future = self._pool.submit(work, *args, **kwargs)
                    return await asyncio.wrap_future(future)
        finally:
            self._waiting -= 1

    def _path(self, key: str) -> Path:
        path = self._folder.joinpath(key)
        # The grammar of keys keeps a path inside; a symbolic link in the folder could still lead out.
        if not path.parent.resolve().is_relative_to(self._folder) or path.is_symlink():
            raise KeyNotFound
        return path

    def _put(self, key: str, data: bytes) -> None:
        path = self._path(key)
        finished = self._unfinished / uuid4().hex
        try:
            _write(finished, data)
            _make(path.parent)
            _link(finished, path, data)
            _sync(path.parent)
        finally:
            finished.unlink(missing_ok=True)

    def _get(self, key: str) -> bytes:
        try:
            return self._path(key).read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise KeyNotFound from None

    def _delete(self, key: str) -> None:
        with suppress(FileNotFoundError, IsADirectoryError, NotADirectoryError, KeyNotFound):
            self._path(key).unlink()

    def _list(self, prefix: str, before: float, limit: int) -> list[str]:
        start = self._folder / prefix.rpartition("/")[0]
        if not start.resolve().is_relative_to(self._folder):
            return []
        keys = (path.relative_to(self._folder).as_posix() for path in _files(start, before))
        return list(islice((key for key in keys if key.startswith(prefix) and is_key(key)), limit))

    def _try_out(self) -> None:
        """Raises OSError where files cannot be made or linked."""
        first, second = self._unfinished / uuid4().hex, self._unfinished / uuid4().hex
        try:
            _write(first, b"")
            os.link(first, second)
        finally:
            first.unlink(missing_ok=True)
            second.unlink(missing_ok=True)

    def _sweep(self) -> None:
        for path in _files(self._unfinished, time.time() - ABANDONED_AFTER):
            path.unlink(missing_ok=True)


def _files(folder: Path, before: float) -> Iterator[Path]:
    """Files below *folder* that were last stored before that time; what vanishes meanwhile is left out."""
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(parent, name)
            with suppress(FileNotFoundError):
                if path.lstat().st_mtime < before:
                    yield path


def _write(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _link(finished: Path, path: Path, data: bytes) -> None:
    """Give a finished file its name. Raises AlreadyExists if other bytes have it."""
    while True:
        try:
            return os.link(finished, path)
        except FileExistsError:
            # What is there may be deleted at this moment; then the name is free.
            with suppress(FileNotFoundError):
                if path.read_bytes() != data:
                    raise AlreadyExists from None
                return os.utime(path)


def _make(folder: Path) -> None:
    """Make a folder that is still there after a power cut."""
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync(folder.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _translated() -> Iterator[None]:
    """The one place that knows the operating system's errors."""
    try:
        yield
    except TimeoutError:
        raise Unavailable("The object storage did not answer in time.") from None
    except OSError as exc:
        log.error("object storage failed", extra={"cause": str(exc)})  # noqa: TRY400 - the cause says it all
        if exc.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise Overloaded("The disk of the object storage is full.", reason="STORAGE_FULL") from exc
        raise Unavailable("The object storage did not answer.") from exc
