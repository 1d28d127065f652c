"""Starts a container as a node does: without privileges, with a root file system and a network of its own."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

import grpc.aio
import httpx2
from container import Container
from emulators import NotHere
from fakes.patience import until
from fakes.process import Process
from fakes.service import Client
from grpc_health.v1 import health_pb2, health_pb2_grpc
from neighbourhood import SHOP

from imagegenservice.pb import imagegen_pb2_grpc as pb_grpc

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PACKAGE = ROOT / "imagegenservice"
NAMESPACES = ("--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child")
GROUPS = Path("/sys/fs/cgroup")


def check_node() -> None:
    """Raises NotHere when this machine cannot run containers like these."""
    try:
        subprocess.run(["unshare", "--net", *NAMESPACES, "mount", "-t", "tmpfs", "x", "/mnt"], check=True,
                       capture_output=True, timeout=20)  # fmt: skip
        subprocess.run(["setpriv", "--version"], check=True, capture_output=True, timeout=20)
    except (OSError, subprocess.SubprocessError) as exc:
        raise NotHere(f"containers need root and util-linux: {exc}") from None


@dataclass(frozen=True)
class MemoryGroup:
    """A control group whose limit is the container's."""

    folder: Path
    peak_file: str

    @property
    def peak(self) -> int:
        """The most bytes that were in use at once."""
        return int((self.folder / self.peak_file).read_text())


@contextmanager
def memory_group(limit: int | None) -> Iterator[MemoryGroup | None]:
    """None where none may be made, or nothing is limited."""
    old, name = (GROUPS / "memory").is_dir(), f"imagegen-test-{os.getpid()}-{time.monotonic_ns()}"
    folder = (GROUPS / "memory" if old else GROUPS) / name
    try:
        folder.mkdir()
        limits = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes") if old else ("memory.max",)
        for file in limits if limit else ():
            if (folder / file).exists() or file == limits[0]:
                (folder / file).write_text(str(limit))
        made = MemoryGroup(folder, "memory.max_usage_in_bytes" if old else "memory.peak")
    except OSError:
        made = None
    try:
        yield made if limit else None
    finally:
        _remove(folder)


def _remove(folder: Path) -> None:
    """As soon as the last process in it is gone, which the kernel tells nobody."""
    end = time.monotonic() + 5
    while folder.exists() and time.monotonic() < end:
        try:
            folder.rmdir()
        except OSError:
            time.sleep(0.01)


@dataclass
class Pod:
    """A container that runs. `pid` is what its process 1 is called outside."""

    container: Container
    process: Process
    pid: int
    sockets: Path
    client: Client
    group: MemoryGroup | None

    @property
    def status(self) -> dict[str, str]:
        """What the kernel says of its process 1."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

    @property
    def root_options(self) -> list[str]:
        """How its root file system is mounted."""
        mounts = [line.split() for line in Path(f"/proc/{self.pid}/mountinfo").read_text().splitlines()]
        return next(fields[5].split(",") for fields in mounts if fields[4] == "/")

    async def probe(self, port: int, seconds: float = 1) -> str:
        """The kubelet's gRPC probe. "" when nobody answers in time."""
        async with grpc.aio.insecure_channel(f"unix:{self.sockets / str(port)}") as channel:
            try:
                stub = health_pb2_grpc.HealthStub(channel)
                answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=seconds)
            except grpc.aio.AioRpcError:
                return ""
        return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)

    async def fetch(self, url: str) -> httpx2.Response:
        """What a browser gets, once the host of the URL leads here."""
        port = int(self.container.environment["HTTP_PORT"])
        transport = httpx2.AsyncHTTPTransport(uds=str(self.sockets / str(port)))
        async with httpx2.AsyncClient(transport=transport, timeout=10) as client:
            return await client.get(f"http://localhost{urlsplit(url).path}")

    async def execute(self, *command: str) -> tuple[int, str]:
        """Run it inside, as whom the container runs: exit code and output."""
        me = self.container
        whom = (f"--reuid={me.user}", f"--regid={me.group}", "--clear-groups", "--no-new-privs")
        ran = await asyncio.create_subprocess_exec(
            *("nsenter", f"--target={self.pid}", "--all", "--root", "--wd", "setpriv", *whom, *command),
            env=me.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(20):
            output, _ = await ran.communicate()
        assert ran.returncode is not None
        return ran.returncode, output.decode()

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)


@asynccontextmanager
async def neighbourhood(container: Container, folder: Path) -> AsyncIterator[int]:
    """The shop on its ports, in a network of its own; gives the process whose network it is."""
    env = container.environment
    doors = {env["HTTP_PORT"], *(str(port) for _, port, _ in container.probes)}
    process = await asyncio.create_subprocess_exec(
        *("unshare", "--net", sys.executable, str(HERE / "neighbourhood.py")),
        *(str(folder), ",".join(doors)),
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            assert await process.stdout.readline() == b"ready\n"
        yield process.pid
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


@asynccontextmanager
async def started(container: Container, folder: Path) -> AsyncIterator[Pod]:
    """The container in its neighbourhood; it need not come up. *folder* is empty."""
    sockets = folder / "ports"
    sockets.mkdir()
    grpc_port = container.environment["PORT"]
    with memory_group(container.memory) as group:
        async with (
            neighbourhood(container, sockets) as network,
            _process(container, folder, network, group) as (process, pid),
            grpc.aio.insecure_channel(f"unix:{sockets / grpc_port}") as channel,
        ):
            client = Client(0, channel, pb_grpc.ImageGenerationServiceStub(channel))
            yield Pod(container, process, pid, sockets, client, group)


@asynccontextmanager
async def _process(
    container: Container, folder: Path, network: int, group: MemoryGroup | None
) -> AsyncIterator[tuple[Process, int]]:
    order = folder / "order.json"
    order.write_text(json.dumps(_order(container, folder, group)))
    process = Process(
        await asyncio.create_subprocess_exec(
            *("nsenter", f"--net=/proc/{network}/ns/net", "unshare", *NAMESPACES, "--propagation", "private"),
            *(sys.executable, str(HERE / "sandbox.py"), str(order)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    )
    pid = 0
    try:
        pid = await _child(process.process.pid)
        yield process, pid
    finally:
        if pid and process.process.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(pid, 9)
        await process.leave()


async def _child(pid: int) -> int:
    """The only child of this process, as soon as it has one."""
    await until(lambda: _children(pid), 10)
    return _children(pid)[0]


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _order(container: Container, folder: Path, group: MemoryGroup | None) -> dict[str, object]:
    """What sandbox.py is told: the container's own words, and where on this machine things are."""
    root = folder / "root"
    root.mkdir()
    volumes = [
        {**asdict(volume), "source": str(folder / f"volume-{number}")}
        for number, volume in enumerate(container.volumes)
    ]
    return {
        **asdict(container),
        "env": container.environment,
        "volumes": volumes,
        "root": str(root),
        "hosts": list(SHOP),
        "files": list(_files()),
        "group_file": str(group.folder / "cgroup.procs") if group else "",
    }


def _files() -> Iterator[tuple[str, str]]:
    """This Python and its packages, where the image has them. The base's own /usr/local may hold others."""
    yield str(Path(sys.prefix).resolve()), "/opt/imagegen"
    if not Path(sys.base_prefix).is_relative_to("/usr"):
        yield sys.base_prefix, sys.base_prefix
    yield str(PACKAGE), "/app/imagegenservice"
