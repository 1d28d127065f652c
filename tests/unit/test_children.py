from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from fakes.commission import brief_of
from PIL import Image, ImageDraw

from imagegenservice.children import Child, ChildDied, Crew
from imagegenservice.darkroom import ChildrensDarkroom, open_darkroom
from imagegenservice.errors import EngineAway, Overloaded, PictureRefused
from imagegenservice.imaging.headers import Limits
from imagegenservice.model import Reference, SourceType

ROOT = Path(__file__).parents[2]
QUICK = "imagegenservice.imaging.quick_jobs"
LIMITS = Limits(pixels=25_000_000, side=16_384, bytes=10_000_000)


def jpeg(width: int = 64, height: int = 48) -> bytes:
    out = io.BytesIO()
    image = Image.new("RGB", (width, height), "white")
    ImageDraw.Draw(image).ellipse((width // 4, height // 4, width * 3 // 4, height * 3 // 4), fill="#a02020")
    image.save(out, "JPEG")
    return out.getvalue()


def develop(**changes: object) -> dict[str, object]:
    head = {"job": "develop", "max_side": 64, "form": "jpeg", "quality": 90, "opaque": False}
    limits = [LIMITS.pixels, LIMITS.side, LIMITS.bytes]
    return {**head, "limits": limits, "cpu_seconds": 5, "megabytes": 512, **changes}


@pytest.fixture
def child() -> Iterator[Child]:
    child = Child(QUICK)
    yield child
    child.close()


@pytest.fixture
def room() -> Iterator[ChildrensDarkroom]:
    with open_darkroom(1, LIMITS) as room:
        yield room


@pytest.fixture
async def crew() -> AsyncIterator[Crew]:
    crew = Crew(QUICK, 1, 1)
    await crew.ask(develop(), [jpeg()])
    yield crew
    crew.close()


def status(pid: int | None) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_a_child_can_do_little_but_read_pictures(child: Child) -> None:
    child.start()
    told = status(child.pid)
    assert told["NoNewPrivs"] == "1"
    assert told["Seccomp"] == ("2" if os.uname().machine in {"x86_64", "aarch64"} else "0")
    assert told["Threads"] == "1"
    limits = Path(f"/proc/{child.pid}/limits").read_text().splitlines()
    soft = {line[:25].strip(): line[26:].split()[0] for line in limits[1:]}
    assert (soft["Max core file size"], soft["Max file size"], soft["Max open files"]) == ("0", "0", "64")


def test_a_child_is_given_no_secret(child: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "a secret")
    child.start()
    assert b"a secret" not in Path(f"/proc/{child.pid}/environ").read_bytes()


def test_a_child_that_needs_too_much_memory_dies_and_the_next_job_is_done(child: Child) -> None:
    large = io.BytesIO()
    Image.new("RGB", (4000, 4000)).save(large, "PNG")
    with pytest.raises(ChildDied) as caught:
        child.ask(develop(megabytes=8), [large.getvalue()], print)
    assert not caught.value.slow
    answer, picture = child.ask(develop(), [jpeg()], print)
    assert answer["done"]
    assert Image.open(io.BytesIO(picture)).size == (64, 48)


def test_a_child_that_takes_too_much_time_is_ended_by_the_kernel(child: Child) -> None:
    out = io.BytesIO()
    Image.effect_noise((2400, 2400), 80).save(out, "JPEG", quality=80)
    # What it has used until now, rounded down, and nothing more.
    with pytest.raises(ChildDied) as caught:
        child.ask(develop(cpu_seconds=-1, max_side=2400, form="png"), [out.getvalue()], print)
    assert caught.value.slow


def test_a_fault_of_ours_is_told_and_does_not_end_the_child(child: Child) -> None:
    child.start()
    pid = child.pid
    with pytest.raises(RuntimeError, match="quality"):
        child.ask(develop(quality="very good"), [jpeg()], print)
    assert child.ask(develop(), [jpeg()], print)[0]["done"]
    assert child.pid == pid


def test_children_end_with_a_parent_that_is_killed() -> None:
    code = (
        "import time; from imagegenservice.children import Child\n"
        f"child = Child('{QUICK}'); child.start(); print(child.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=ROOT) as parent:
        assert parent.stdout is not None
        pidfd = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
    try:
        signalled = asyncio.run(readable(pidfd))
    finally:
        os.close(pidfd)
    assert signalled


async def readable(descriptor: int) -> bool:
    """A process is over when its descriptor can be read."""
    over = asyncio.Event()
    asyncio.get_running_loop().add_reader(descriptor, over.set)
    async with asyncio.timeout(10):
        return await over.wait()


async def test_a_job_that_takes_too_long_is_killed(crew: Crew) -> None:
    [pid] = crew.pids
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(ChildDied) as caught:
        await crew.ask(develop(), [jpeg()], seconds=0.3)
    assert caught.value.slow
    assert (await crew.ask(develop(), [jpeg()]))[0]["done"]
    assert crew.pids != [pid]


async def test_a_cancelled_job_frees_its_child(crew: Crew) -> None:
    os.kill(crew.pids[0], signal.SIGSTOP)
    task = asyncio.create_task(crew.ask(develop(), [jpeg()]))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(10):
        assert (await crew.ask(develop(), [jpeg()]))[0]["done"]


async def test_more_jobs_than_may_wait_are_refused(crew: Crew) -> None:
    os.kill(crew.pids[0], signal.SIGSTOP)
    held = [asyncio.create_task(crew.ask(develop(), [jpeg()], patience=30)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await crew.ask(develop(), [jpeg()], patience=30)
    os.kill(crew.pids[0], signal.SIGCONT)
    assert [answer["done"] for answer, _ in await asyncio.gather(*held)] == [True, True]


async def test_a_child_that_was_killed_from_outside_costs_no_upload(room: ChildrensDarkroom) -> None:
    await room.develop(jpeg(), max_side=64)
    for pid in room.pids:
        os.kill(pid, signal.SIGKILL)
    assert (await room.develop(jpeg(), max_side=64)).width == 64


async def test_a_picture_that_kills_every_child_is_refused(room: ChildrensDarkroom) -> None:
    async def hunt() -> None:
        while True:
            for pid in room.pids:
                os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(0.001)

    hunting = asyncio.create_task(hunt())
    with pytest.raises(PictureRefused) as caught:
        await room.develop(jpeg(3000, 3000), max_side=64)
    hunting.cancel()
    assert caught.value.reason == "IMAGE_UNREADABLE"


async def test_a_drawing_survives_the_death_of_a_child_and_not_of_many(room: ChildrensDarkroom) -> None:
    brief = brief_of(["Cup", "Vase"])
    references = [Reference(item, jpeg(320, 320)) for item in brief.items]
    deaths = 0

    async def draw(most: int) -> int:
        nonlocal deaths
        deaths = 0

        def kill(share: float) -> None:
            nonlocal deaths
            if deaths < most and share >= 0.5:
                deaths += 1
                for pid in room.pids:
                    os.kill(pid, signal.SIGKILL)

        source = SourceType.COMPOSITE_SYNTHETIC
        return (await room.compose(brief, references, None, source, kill, cache_bytes=1_000_000)).width

    assert await draw(1) == 256
    with pytest.raises(EngineAway):
        await draw(99)


def test_the_service_itself_loads_no_codec() -> None:
    code = (
        "import sys, imagegenservice.__main__\n"
        "print(*({'cv2', 'numpy', 'PIL', 'imagegenservice.imaging.decode'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=ROOT, check=True)
    assert done.stdout.split() == []
