"""Fixtures: the frontend's routes before the real service, or before one that fails."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc.aio
import pytest
from doors import Door, Open, Wayward, in_go, in_python, with_one_cup
from fakes.service import Service
from needed import had
from workshop import Go, browser, python_tools

from imagegenservice.pb import imagegen_pb2_grpc as pb_grpc


@pytest.fixture(scope="session")
def go() -> Go:
    """A Go, our files laid out beside a stand-in of the shop's."""
    found = had(Go)
    found.lay_out()
    return found


@pytest.fixture(scope="session")
def program(go: Go) -> Path:
    """The stand-in shop, with our files compiled into it."""
    return go.built()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Path]:
    """A browser, and its driver within reach of imports."""
    found = had(browser)
    sys.path.append(str(had(python_tools)))
    yield found
    sys.path.pop()


@pytest.fixture(params=["go", "python"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens the routes before a gRPC and an HTTP port."""
    if request.param == "python":
        return in_python
    return in_go(request.getfixturevalue("program"), tmp_path)


@pytest.fixture
def opened_go(program: Path, tmp_path: Path) -> Open:
    """The same, in Go; without a gRPC port the variable is not set."""
    return in_go(program, tmp_path)


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    """The real one, with the sample shop, drawing small pictures."""
    async with with_one_cup() as running:
        yield running


@pytest.fixture
async def door(opened: Open, service: Service) -> AsyncIterator[Door]:
    """The routes before the real service."""
    async with opened(service.running.grpc.port, service.http_port) as routes:
        yield routes


@pytest.fixture
async def wayward() -> AsyncIterator[tuple[Wayward, int]]:
    """That service, and its port."""
    servicer = Wayward()
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", 32 << 20)])
    pb_grpc.add_ImageGenerationServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield servicer, port
    await server.stop(None)
