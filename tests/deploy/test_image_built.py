"""
The image itself, where there is one: `make image-test` builds it and runs these tests on it.

IMAGE: its name. ENGINE: docker or podman. ENGINE_FLAGS: more words for `run`, for machines that need them.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import grpc.aio
import httpx2
import pytest
from emulators import free_port
from fakes.service import Client
from recipe import ROOT, stages

from imagegenservice.demo.shop import SHOPPER
from imagegenservice.pb import imagegen_pb2_grpc as pb_grpc

IMAGE = os.environ.get("IMAGE", "")
pytestmark = [
    pytest.mark.skipif(not IMAGE, reason="no image is named: `make image-test` builds one and tests it"),
    pytest.mark.timeout(300),
]
MEMORY = 768 * 1024 * 1024
START_WITHIN = 60.0
DEMO = ("CART_SERVICE_ADDR=demo://", "PRODUCT_CATALOG_SERVICE_ADDR=demo://")


def engine(*arguments: str, check: bool = True) -> str:
    """What docker or podman prints."""
    program = os.environ.get("ENGINE") or shutil.which("docker") or "podman"
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0 or not check, done.stderr
    return done.stdout.strip()


def run_flags() -> list[str]:
    """As restricted as in the cluster."""
    return [
        *("--read-only", "--tmpfs", "/tmp", "--cap-drop", "all", "--security-opt", "no-new-privileges"),
        *(
            "--memory",
            str(MEMORY),
            "--memory-swap",
            str(MEMORY),
            *shlex.split(os.environ.get("ENGINE_FLAGS", "")),
        ),
    ]


def inside(*command: str) -> str:
    """What a command prints in a container of its own."""
    return engine("run", "--rm", *run_flags(), "--entrypoint", command[0], IMAGE, *command[1:])


@dataclass
class Ran:
    """A container that serves."""

    name: str
    client: Client
    seconds_to_serving: float


@pytest.fixture
async def ran() -> AsyncIterator[Ran]:
    name, port, http_port = f"imagegen-test-{os.getpid()}", free_port(), free_port()
    settings = [*DEMO, f"PORT={port}", f"HTTP_PORT={http_port}", "HOST=127.0.0.1"]
    env = [word for setting in settings for word in ("--env", setting)]
    begin = time.monotonic()
    engine(
        "run",
        "--detach",
        "--name",
        name,
        "--network",
        "host",
        *run_flags(),
        "--volume",
        f"{name}:/data",
        *env,
        IMAGE,
    )
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            await asyncio.wait_for(channel.channel_ready(), START_WITHIN)
            client = Client(http_port, channel, pb_grpc.ImageGenerationServiceStub(channel))
            assert await client.health() == "SERVING"
            yield Ran(name, client, time.monotonic() - begin)
    finally:
        engine("rm", "--force", name, check=False)
        engine("volume", "rm", name, check=False)


def test_it_has_all_of_the_package_and_nothing_else_of_the_tree() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    wanted = {path for path in listed.splitlines() if path.startswith("imagegenservice/")} | {"LICENSE"}
    found = inside("find", "/app", "-type", "f", "!", "-name", "*.pyc").splitlines()
    assert {path.removeprefix("/app/") for path in found} == {
        path for path in wanted if Path(path).suffix != ".pyi"
    }


def test_every_module_has_its_bytecode() -> None:
    folders = ("/app", "/opt/imagegen/lib")
    sources = inside("find", *folders, "-name", "*.py").splitlines()
    compiled = inside("find", *folders, "-name", "*.pyc").splitlines()
    stems = {path.replace("/__pycache__", "").partition(".cpython-")[0] for path in compiled}
    assert [path for path in sources if path.removesuffix(".py") not in stems] == []


@pytest.mark.parametrize("program", ["gcc", "cc", "ld", "make", "pip", "curl", "wget"])
def test_no_program_is_left_that_builds_or_fetches(program: str) -> None:
    assert inside("sh", "-c", f"command -v {program} || echo none") == "none"


def test_nothing_of_pip_is_left() -> None:
    assert (
        inside(
            "python", "-c", "import importlib.util as u; print(u.find_spec('pip'), u.find_spec('ensurepip'))"
        )
        == "None None"
    )


def test_it_is_nobody_in_particular_with_a_folder_for_its_data() -> None:
    assert inside("sh", "-c", "id -u; id -g; stat -c '%u:%g %a' /data").split("\n") == [
        "1000",
        "1000",
        "1000:1000 750",
    ]


def test_its_configuration_is_the_dockerfile_s() -> None:
    (found,) = json.loads(engine("image", "inspect", IMAGE))
    config, wanted = found["Config"], stages()[-1]
    assert config["Entrypoint"] == wanted.last("ENTRYPOINT").exec_form
    assert config["User"] == wanted.last("USER").text
    assert config["StopSignal"] == "SIGTERM"
    assert (config.get("Healthcheck") or found["Healthcheck"])["Test"] == [
        "CMD",
        *(wanted.last("HEALTHCHECK").exec_form or []),
    ]


async def test_it_serves_draws_is_healthy_and_drains(
    ran: Ran, record_property: Callable[[str, object], None]
) -> None:
    record_property("seconds_to_serving", ran.seconds_to_serving)
    assert ran.seconds_to_serving < START_WITHIN
    drawn = await ran.client.drawn(user_id=SHOPPER)
    async with httpx2.AsyncClient() as client:
        picture = (await client.get(drawn.image_url)).raise_for_status().content
    assert picture[:3] == b"\xff\xd8\xff"
    engine("exec", ran.name, *(stages()[-1].last("HEALTHCHECK").exec_form or []))
    engine("kill", "--signal", str(int(signal.SIGTERM)), ran.name)
    assert engine("wait", ran.name) == "0"
    assert json.loads(engine("logs", ran.name).splitlines()[-1])["message"] == "drained"
