"""Fixtures for more than one folder of tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from emulators import fake_gcs_server, firestore_emulator
from fakes.midwife import Midwife, midwife
from needed import had

from imagegenservice import children
from imagegenservice.darkroom import open_darkroom
from imagegenservice.imaging.decode import Limits
from imagegenservice.ports import Darkroom, Surroundings


def started(server: AbstractContextManager[str]) -> Iterator[str]:
    """Start it, or skip; where REQUIRE_EMULATORS is 1 nothing may be skipped."""
    address = had(server.__enter__)
    try:
        yield address
    finally:
        server.__exit__(None, None, None)


@pytest.fixture(scope="session")
def gcs_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a fake-gcs-server, for STORAGE_EMULATOR_HOST."""
    yield from started(fake_gcs_server(tmp_path_factory.mktemp("gcs") / "log"))


@pytest.fixture(scope="session")
def firestore_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Firestore emulator, for FIRESTORE_EMULATOR_HOST."""
    yield from started(firestore_emulator(tmp_path_factory.mktemp("firestore") / "log"))


@pytest.fixture(scope="session")
def darkroom() -> Iterator[Darkroom]:
    """Two threads, and the limits of the service's defaults."""
    with open_darkroom(2, Limits(pixels=25_000_000, side=16_384, bytes=10_000_000)) as room:
        yield room


@pytest.fixture(scope="session")
def at_birth() -> Iterator[Midwife]:
    """Who forks children for this process."""
    with midwife() as one:
        yield one


@pytest.fixture
def quick_births(at_birth: Midwife, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service's own children are forked for it: nothing about how they are started is tested here."""
    monkeypatch.setattr(children, "subprocess", at_birth.subprocess)


@pytest.fixture
def surroundings(tmp_path: Path, darkroom: Darkroom) -> Surroundings:
    """What an adapter finds around it, with a folder of its own."""
    return Surroundings(darkroom, tmp_path, "test-project", None)
