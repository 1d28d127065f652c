"""What the SQLite store promises about its file."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from imagegenservice.adapters.state_store import sqlite_file
from imagegenservice.adapters.state_store.batches import MOST_WAITING
from imagegenservice.adapters.state_store.group_commit import GroupCommit
from imagegenservice.adapters.state_store.sqlite import Sqlite
from imagegenservice.errors import AlreadyExists, ConfigurationError, Overloaded, Unavailable
from imagegenservice.model import Document
from imagegenservice.ports import Surroundings
from imagegenservice.urls import AdapterUrl

# Writes documents with 20 writers at a time and prints the id of each as soon as it is confirmed.
WRITER = """
import asyncio, sys
from imagegenservice.adapters.state_store.sqlite import Sqlite
from imagegenservice.model import Document
from imagegenservice.urls import AdapterUrl

async def main():
    async with Sqlite.open(AdapterUrl.parse(sys.argv[1]), None) as store:
        async def write(writer):
            for n in range(100_000):
                name = f"{sys.argv[2]}-{writer}-{n}"
                await store.create(Document("order", name, {"name": name, "filling": "x" * 2000}))
                sys.stdout.write(name + "\\n")
                sys.stdout.flush()
        await asyncio.gather(*(write(n) for n in range(20)))

asyncio.run(main())
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def opened(path: Path, surroundings: Surroundings, options: str = "") -> AbstractAsyncContextManager[Sqlite]:
    return Sqlite.open(AdapterUrl.parse(f"sqlite:///{path}{options}"), surroundings)


def content(path: Path) -> bytes:
    return path.read_bytes()


async def refused(path: Path, surroundings: Surroundings) -> str:
    with pytest.raises(ConfigurationError) as refusal:
        async with opened(path, surroundings):
            raise AssertionError("it was opened")
    return str(refusal.value)


async def test_a_path_behind_three_slashes_is_relative(
    tmp_path: Path, surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with Sqlite.open(AdapterUrl.parse("sqlite:///some/folder/state.db"), surroundings):
        assert (tmp_path / "some/folder/state.db").is_file()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite://host/state.db", "sqlite:///folder/"])
async def test_a_url_without_a_path_is_refused(url: str, surroundings: Surroundings) -> None:
    with pytest.raises(ConfigurationError, match="relative/path"):
        async with Sqlite.open(AdapterUrl.parse(url), surroundings):
            raise AssertionError("it was opened")


async def test_a_file_of_a_later_version_is_refused(path: Path, surroundings: Surroundings) -> None:
    async with opened(path, surroundings):
        pass
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 2")
    connection.close()
    assert "later version" in await refused(path, surroundings)


async def test_a_database_of_something_else_is_refused_and_left_alone(
    path: Path, surroundings: Surroundings
) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE documents (important TEXT)")
    connection.close()
    before = content(path)
    assert "something else" in await refused(path, surroundings)
    assert content(path) == before


async def test_a_file_that_is_no_database_is_refused(surroundings: Surroundings) -> None:
    assert "not a database" in await refused(Path(__file__), surroundings)


async def test_a_damaged_page_is_refused_at_the_start(path: Path, surroundings: Surroundings) -> None:
    async with opened(path, surroundings) as store:
        for n in range(50):
            await store.create(Document("order", str(n), {"filling": "x" * 2000}))
    with path.open("r+b") as file:
        file.seek(8 * 4096)
        file.write(os.urandom(4 * 4096))
    assert "damaged" in await refused(path, surroundings)


async def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path, surroundings: Surroundings) -> None:
    (tmp_path / "file").touch()
    assert "cannot be made" in await refused(tmp_path / "file" / "state.db", surroundings)


async def test_a_path_that_is_a_folder_is_refused(tmp_path: Path, surroundings: Surroundings) -> None:
    (tmp_path / "state.db").mkdir()
    assert "cannot be used" in await refused(tmp_path / "state.db", surroundings)


async def test_a_locked_file_is_unavailable_within_the_timeout(
    path: Path, surroundings: Surroundings
) -> None:
    async with opened(path, surroundings, "?timeout=0.3") as store:
        created = await store.create(Document("order", "a", {}))
        blocker = sqlite3.connect(path, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        started = asyncio.get_running_loop().time()
        with pytest.raises(Unavailable):
            await store.create(Document("order", "b", {}))
        assert asyncio.get_running_loop().time() - started < 2
        assert await store.get("order", "a") == created
        blocker.execute("ROLLBACK")
        blocker.close()
        await store.create(Document("order", "c", {}))


async def test_past_the_bound_of_waiting_writes_the_answer_is_overloaded_at_once(
    path: Path, surroundings: Surroundings
) -> None:
    async with opened(path, surroundings) as store:
        writes = [store.create(Document("order", str(n), {})) for n in range(MOST_WAITING + 200)]
        outcomes = await asyncio.gather(*writes, return_exceptions=True)
        stored = [outcome for outcome in outcomes if isinstance(outcome, Document)]
        assert len(stored) >= MOST_WAITING
        assert {type(outcome) for outcome in outcomes} <= {Document, Overloaded}
        for document in stored[-3:]:
            assert await store.get("order", document.id) == document


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """As if the disk were full: the kernel refuses to let any file of this process grow past *size*."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


async def test_a_write_that_finds_no_room_leaves_nothing_behind(
    path: Path, surroundings: Surroundings
) -> None:
    async with opened(path, surroundings) as store:
        created = await store.create(Document("order", "a", {"n": 1}))
        with no_file_larger_than(300_000):
            with pytest.raises(Unavailable):
                await store.create(Document("order", "big", {"filling": "x" * 800_000}))
            with pytest.raises(Unavailable):
                await store.replace(replace(created, body={"filling": "x" * 800_000}))
            assert await store.get("order", "a") == created
        assert await store.get("order", "big") is None
        await store.replace(replace(created, body={"n": 2}))
    async with opened(path, surroundings) as store:
        assert await store.get("order", "big") is None


async def test_a_full_database_says_so_to_all_who_shared_the_transaction(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "full.db", isolation_level=None, check_same_thread=False)
    connection.execute("CREATE TABLE t (x TEXT)")
    connection.execute("PRAGMA max_page_count = 5")
    writer = GroupCommit(connection)
    writes = [
        writer.write(lambda c: c.execute("INSERT INTO t VALUES (?)", ("x" * 6000,)).rowcount)
        for _ in range(20)
    ]
    async with asyncio.timeout(10):
        outcomes = await asyncio.gather(*writes, return_exceptions=True)
    errors = [outcome if isinstance(outcome, Exception) else None for outcome in outcomes]
    await asyncio.to_thread(writer.close)
    assert {getattr(error, "reason", None) for error in errors} <= {None, "STORAGE_FULL"}
    full = [error for error in errors if error]
    assert full
    assert all(isinstance(error, Overloaded) for error in full)
    with sqlite3.connect(tmp_path / "full.db") as reader:
        assert reader.execute("SELECT count(*) FROM t").fetchone()[0] == len(errors) - len(full)
    reader.close()


async def test_a_refusal_does_not_spoil_the_others_of_its_transaction(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "t.db", isolation_level=None, check_same_thread=False)
    connection.execute("CREATE TABLE t (x INTEGER)")
    writer = GroupCommit(connection)

    async def insert(number: int) -> int:
        def write(connection: sqlite3.Connection) -> int:
            if number % 2:
                raise AlreadyExists
            return connection.execute("INSERT INTO t VALUES (?)", (number,)).rowcount

        outcome = (await asyncio.gather(writer.write(write), return_exceptions=True))[0]
        return isinstance(outcome, AlreadyExists)

    async with asyncio.timeout(10):
        refused = await asyncio.gather(*map(insert, range(10)))
    assert refused == [number % 2 for number in range(10)]
    await asyncio.to_thread(writer.close)
    with sqlite3.connect(tmp_path / "t.db") as reader:
        assert reader.execute("SELECT x FROM t").fetchall() == [(0,), (2,), (4,), (6,), (8,)]
    reader.close()


async def test_a_mistake_in_a_write_is_rolled_back_and_the_next_one_works(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "t.db", isolation_level=None, check_same_thread=False)
    connection.execute("CREATE TABLE t (x INTEGER)")
    writer = GroupCommit(connection)

    def mistake(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO t VALUES (1)")
        connection.execute("INSERT INTO nowhere VALUES (1)")

    async with asyncio.timeout(10):
        with pytest.raises(Unavailable):
            await writer.write(mistake)
        assert await writer.write(lambda c: c.execute("INSERT INTO t VALUES (2)").rowcount) == 1
    await asyncio.to_thread(writer.close)
    with sqlite3.connect(tmp_path / "t.db") as reader:
        assert reader.execute("SELECT x FROM t").fetchall() == [(2,)]
    reader.close()


def test_a_commit_is_synced_to_the_disk_before_it_returns(path: Path) -> None:
    for connection in (sqlite_file.prepare(path, 1.0), sqlite_file.connect(path, 1.0)):
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        full = 2
        assert connection.execute("PRAGMA synchronous").fetchone() == (full,)
        connection.close()


def confirmed_by_a_killed_writer(path: Path, run: str, lines: int) -> list[str]:
    """The ids that a process had confirmed when it was killed, some way into its work."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, f"sqlite:///{path}", run],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        text=True,
    )
    assert process.stdout
    confirmed = [process.stdout.readline().strip() for _ in range(lines)]
    process.send_signal(signal.SIGKILL)
    rest, _ = process.communicate(timeout=30)
    # A line that was cut off in the middle is not a confirmation.
    return confirmed + rest.splitlines()[: rest.count("\n")]


async def test_every_confirmed_document_survives_a_kill_in_the_middle_of_writing(
    path: Path, surroundings: Surroundings
) -> None:
    for run, lines in enumerate([1, 150, 400]):
        confirmed = confirmed_by_a_killed_writer(path, str(run), lines)
        assert len(confirmed) >= lines
        async with opened(path, surroundings) as store:
            for name in confirmed:
                found = await store.get("order", name)
                assert found, f"{name} was confirmed and is lost"
                assert found.body["name"] == name
