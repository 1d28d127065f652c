"""What the object storage in a folder promises about its files."""

from __future__ import annotations

import asyncio
import os
import resource
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from imagegenservice.adapters.object_storage.filesystem import ABANDONED_AFTER, Filesystem
from imagegenservice.errors import ConfigurationError, KeyNotFound, Unavailable
from imagegenservice.ports import Surroundings
from imagegenservice.urls import AdapterUrl

KEY = "pictures/0a1b2c.jpg"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "pictures of mine"


def opened(folder: Path, surroundings: Surroundings) -> AbstractAsyncContextManager[Filesystem]:
    return Filesystem.open(AdapterUrl.parse(f"file://{folder}"), surroundings)


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "url", ["file://", "file:///", "file://folder", "file://host/folder", "file:///x?a=b"]
)
async def test_a_url_without_an_absolute_folder_is_refused(url: str, surroundings: Surroundings) -> None:
    with pytest.raises(ConfigurationError, match="absolute"):
        async with Filesystem.open(AdapterUrl.parse(url), surroundings):
            raise AssertionError("it was opened")


async def test_a_folder_that_cannot_be_used_is_refused(surroundings: Surroundings) -> None:
    for folder in [Path(__file__) / "below-a-file", Path("/proc/pictures")]:
        with pytest.raises(ConfigurationError, match="cannot be stored"):
            async with opened(folder, surroundings):
                raise AssertionError("it was opened")


async def test_a_picture_is_a_file_under_its_key_and_nothing_else_is_left(
    folder: Path, surroundings: Surroundings
) -> None:
    async with opened(folder, surroundings) as storage:
        await storage.put(KEY, b"picture", "image/jpeg")
        await storage.put(KEY, b"picture", "image/jpeg")
        assert files(folder) == [KEY]


async def test_a_reader_sees_the_whole_picture_or_none(folder: Path, surroundings: Surroundings) -> None:
    data = os.urandom(3_000_000)
    async with opened(folder, surroundings) as writer, opened(folder, surroundings) as reader:
        for n in range(5):
            writing = asyncio.create_task(writer.put(f"pictures/{n}.jpg", data, "image/jpeg"))
            while not writing.done():
                try:
                    assert await reader.get(f"pictures/{n}.jpg") == data
                except KeyNotFound:
                    continue
            await writing


def limit_files(size: int) -> None:
    """The kernel refuses to let any file of this process grow past *size*, as if the disk were full."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard if size < 0 else size, hard))


async def test_a_picture_that_finds_no_room_leaves_nothing_behind(
    folder: Path, surroundings: Surroundings
) -> None:
    async with opened(folder, surroundings) as storage:
        limit_files(100_000)
        try:
            with pytest.raises(Unavailable):
                await storage.put(KEY, bytes(500_000), "image/jpeg")
        finally:
            limit_files(-1)
        assert files(folder) == []
        await storage.put(KEY, bytes(500_000), "image/jpeg")
        assert await storage.get(KEY) == bytes(500_000)


async def test_no_symbolic_link_leads_out_of_the_folder(
    tmp_path: Path, folder: Path, surroundings: Surroundings
) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/key.txt").write_bytes(b"secret")
    async with opened(folder, surroundings) as storage:
        (folder / "out").symlink_to(tmp_path / "secrets")
        (folder / "key.jpg").symlink_to(tmp_path / "secrets/key.txt")
        for key in ["out/key.txt", "key.jpg"]:
            with pytest.raises(KeyNotFound):
                await storage.get(key)
            await storage.delete(key)
        with pytest.raises(KeyNotFound):
            await storage.put("out/new.jpg", b"x", "image/jpeg")
    assert files(tmp_path / "secrets") == ["key.txt"]


async def test_what_a_killed_process_left_unfinished_is_swept_at_the_next_start(
    folder: Path, surroundings: Surroundings
) -> None:
    async with opened(folder, surroundings):
        old, new = folder / ".unfinished/old", folder / ".unfinished/new"
        for path in (old, new):
            path.write_bytes(b"half a pict")
        long_ago = old.stat().st_mtime - ABANDONED_AFTER - 60
        os.utime(old, (long_ago, long_ago))
    async with opened(folder, surroundings):
        assert files(folder) == [".unfinished/new"]
