"""What the image's HEALTHCHECK says of a service that is ready, draining or not there."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping

import pytest
from emulators import free_port
from fakes.http import Answer, HttpServer, Request

from imagegenservice.healthcheck import address


async def checked(environment: Mapping[str, str]) -> tuple[int, str]:
    """The command's exit code and words, with this environment and nothing else."""
    ran = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "imagegenservice.healthcheck"),
        env={"PYTHONPATH": os.pathsep.join(sys.path), **environment},
        stderr=asyncio.subprocess.PIPE,
    )
    _, words = await asyncio.wait_for(ran.communicate(), 20)
    assert ran.returncode is not None
    return ran.returncode, words.decode()


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1), (404, 1)])
async def test_it_says_what_the_service_says_of_itself(status: int, code: int) -> None:
    asked: list[str] = []

    async def answer(request: Request) -> Answer:
        asked.append(request.path)
        return Answer(status)

    async with HttpServer(answer) as server:
        port = server.url.rpartition(":")[2]
        assert (await checked({"HTTP_PORT": port}))[0] == code
    assert asked == ["/readyz"]


async def test_a_service_that_is_not_there_is_not_healthy() -> None:
    code, words = await checked({"HTTP_PORT": str(port := free_port())})
    assert code == 1
    assert f"no answer from 127.0.0.1:{port}" in words


async def test_what_is_no_http_is_not_healthy() -> None:
    async with HttpServer(_broken) as server:
        assert (await checked({"HTTP_PORT": server.url.rpartition(":")[2]}))[0] == 1


async def _broken(_: Request) -> Answer:
    return Answer(sent=-1)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, ("127.0.0.1", 8081)),
        ({"HTTP_PORT": "", "HOST": ""}, ("127.0.0.1", 8081)),
        ({"HTTP_PORT": "9000"}, ("127.0.0.1", 9000)),
        ({"HOST": "10.0.0.7"}, ("10.0.0.7", 8081)),
        ({"HOST": "::"}, ("::1", 8081)),
    ],
)
def test_it_asks_where_the_settings_say(environment: dict[str, str], expected: tuple[str, int]) -> None:
    assert address(environment) == expected
