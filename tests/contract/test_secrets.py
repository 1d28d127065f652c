from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from pathlib import Path

import google_crc32c
import grpc
import grpc.aio
import pytest
from google.cloud.secretmanager_v1 import AccessSecretVersionRequest, AccessSecretVersionResponse

from imagegenservice.adapters.secrets.choose import from_setting
from imagegenservice.adapters.secrets.environment import FixedSecret
from imagegenservice.adapters.secrets.file import MAX_BYTES, FileSecret
from imagegenservice.adapters.secrets.secret_manager import PAUSE, TTL, SecretManagerSecret
from imagegenservice.errors import ConfigurationError, Unavailable

NAME = "projects/shop/secrets/gemini-key"


class FakeSecretManager:
    """The one method that is used, on the wire; `fault` is answered instead of the value."""

    def __init__(self) -> None:
        self.value: bytes = b"first"
        self.version = 7
        self.fault: grpc.StatusCode | None = None
        self.crc_error = 0
        self.silent = False
        self.asked: list[str] = []

    async def access(
        self, request: AccessSecretVersionRequest, context: grpc.aio.ServicerContext
    ) -> AccessSecretVersionResponse:
        self.asked.append(request.name)
        if self.silent:
            await asyncio.Event().wait()
        if self.fault is not None:
            await context.abort(self.fault, "the-value-is-not-for-logs")
        crc = google_crc32c.value(self.value) + self.crc_error
        return AccessSecretVersionResponse(
            name=f"{NAME}/versions/{self.version}", payload={"data": self.value, "data_crc32c": crc}
        )

    def handler(self) -> grpc.GenericRpcHandler:
        method = grpc.unary_unary_rpc_method_handler(
            self.access,
            request_deserializer=AccessSecretVersionRequest.deserialize,
            response_serializer=AccessSecretVersionResponse.serialize,
        )
        service = "google.cloud.secretmanager.v1.SecretManagerService"
        return grpc.method_handlers_generic_handler(service, {"AccessSecretVersion": method})


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def manager() -> FakeSecretManager:
    return FakeSecretManager()


@pytest.fixture
async def address(manager: FakeSecretManager) -> AsyncIterator[str]:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((manager.handler(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(None)


@pytest.fixture
async def secret(address: str, clock: Clock) -> AsyncIterator[SecretManagerSecret]:
    channel = grpc.aio.insecure_channel(address)
    async with SecretManagerSecret(NAME, channel=channel, clock=clock) as opened:
        yield opened


async def test_a_fixed_value_stays():
    secret = FixedSecret("k")
    secret.distrust()
    assert await secret.read() == "k"


async def test_a_file_is_read_without_the_white_space_around_it(tmp_path: Path):
    path = tmp_path / "key"
    path.write_text(" k-1\n")
    assert await FileSecret(path).read() == "k-1"


async def test_a_rewritten_file_is_read_again(tmp_path: Path):
    path = tmp_path / "key"
    path.write_text("k-1")
    secret = FileSecret(path)
    assert await secret.read() == "k-1"
    path.write_text("k-2")
    os.utime(path, ns=(1, 1))
    assert await secret.read() == "k-2"


async def test_a_swapped_link_is_read_again(tmp_path: Path):
    """As the kubelet replaces a mounted secret: by renaming a link over the old one."""
    for version in ("1", "2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "key").write_text(f"k-{version}")
        os.utime(tmp_path / version / "key", ns=(5, 5))
    current = tmp_path / "current"
    current.symlink_to("1")
    secret = FileSecret(current / "key")
    assert await secret.read() == "k-1"
    (tmp_path / "next").symlink_to("2")
    (tmp_path / "next").rename(current)
    assert await secret.read() == "k-2"


async def test_a_distrusted_file_is_read_again_though_it_looks_the_same(tmp_path: Path):
    path = tmp_path / "key"
    path.write_text("k-1")
    os.utime(path, ns=(5, 5))
    secret = FileSecret(path)
    assert await secret.read() == "k-1"
    path.write_text("k-2")
    os.utime(path, ns=(5, 5))
    assert await secret.read() == "k-1"
    secret.distrust()
    assert await secret.read() == "k-2"


async def test_a_file_that_goes_away_leaves_its_last_value(tmp_path: Path):
    path = tmp_path / "key"
    path.write_text("k-1")
    secret = FileSecret(path)
    await secret.read()
    path.unlink()
    assert await secret.read() == "k-1"


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe", b"x" * (MAX_BYTES + 1)])
async def test_a_file_without_a_value_is_unavailable(tmp_path: Path, content: bytes | None):
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Unavailable):
        await FileSecret(path).read()


async def test_the_latest_version_is_asked_for_where_none_is_named(manager, secret):
    assert await secret.read() == "first"
    assert manager.asked == [f"{NAME}/versions/latest"]


async def test_a_named_version_is_asked_for(manager, address):
    channel = grpc.aio.insecure_channel(address)
    async with SecretManagerSecret(f"{NAME}/versions/3", channel=channel) as secret:
        await secret.read()
    assert manager.asked == [f"{NAME}/versions/3"]


async def test_nothing_is_asked_before_the_first_read(manager, secret):
    assert manager.asked == []


async def test_a_value_is_used_until_its_time_is_over(manager, secret, clock):
    await secret.read()
    manager.value = b"second"
    clock.now += TTL - 1
    assert await secret.read() == "first"
    clock.now += 1
    assert await secret.read() == "second"


async def test_many_readers_ask_once(manager, secret):
    assert await asyncio.gather(*[secret.read() for _ in range(20)]) == ["first"] * 20
    assert len(manager.asked) == 1


async def test_a_distrusted_value_is_asked_for_again_but_not_at_once(manager, secret, clock):
    await secret.read()
    manager.value = b"second"
    secret.distrust()
    assert await secret.read() == "first"
    clock.now += PAUSE
    assert await secret.read() == "second"
    assert len(manager.asked) == 2


FAULTS = [
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.INTERNAL,
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_a_refused_question_is_unavailable_and_asked_once(manager, secret, fault):
    manager.fault = fault
    with pytest.raises(Unavailable) as caught:
        await secret.read()
    assert "not-for-logs" not in str(caught.value)
    assert len(manager.asked) == 1


async def test_after_a_failure_the_next_read_may_succeed(manager, secret):
    manager.fault = grpc.StatusCode.UNAVAILABLE
    with pytest.raises(Unavailable):
        await secret.read()
    manager.fault = None
    assert await secret.read() == "first"


async def test_the_last_good_value_is_kept_while_the_service_is_away(manager, secret, clock):
    await secret.read()
    manager.fault = grpc.StatusCode.UNAVAILABLE
    clock.now += TTL
    assert await secret.read() == "first"
    assert await secret.read() == "first"
    assert len(manager.asked) == 2  # the second read did not ask once more: too soon
    manager.fault, manager.value = None, b"second"
    clock.now += PAUSE
    assert await secret.read() == "second"


@pytest.mark.parametrize("value", [b"", b" \n", b"\xff"])
async def test_what_is_no_text_is_no_value(manager, secret, value):
    manager.value = value
    with pytest.raises(Unavailable):
        await secret.read()


async def test_a_damaged_value_is_not_used(manager, secret):
    manager.crc_error = 1
    with pytest.raises(Unavailable):
        await secret.read()


async def test_a_silent_service_is_not_waited_for_forever(manager, address):
    channel = grpc.aio.insecure_channel(address)
    manager.silent = True
    async with SecretManagerSecret(NAME, channel=channel, timeout=0.1) as secret:
        with pytest.raises(Unavailable):
            await secret.read()


async def test_nobody_there_is_unavailable(clock):
    async with SecretManagerSecret(NAME, channel=grpc.aio.insecure_channel("127.0.0.1:1")) as secret:
        with pytest.raises(Unavailable):
            await secret.read()


async def test_without_credentials_it_is_unavailable(monkeypatch, tmp_path):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    async with SecretManagerSecret(NAME) as secret:
        with pytest.raises(Unavailable):
            await secret.read()


async def test_the_version_is_logged_and_the_value_is_not(secret, caplog):
    caplog.set_level(logging.DEBUG)
    value = await secret.read()
    ours = [record for record in caplog.records if record.name.startswith("imagegenservice")]
    assert [record.__dict__["version"] for record in ours] == ["7"]
    assert not [record for record in caplog.records if value in record.getMessage()]


async def test_a_setting_chooses_the_place(tmp_path: Path):
    path = tmp_path / "a key"
    path.write_text("k-1")
    for text in (str(path), path.as_uri()):
        async with from_setting(text) as secret:
            assert await secret.read() == "k-1"
    async with from_setting(NAME) as secret:
        assert isinstance(secret, SecretManagerSecret)


WRONG = ["", "AIza-the-key-itself", "relative/file", "file://host/x", "https://x/y", "file:relative"]
WRONG_NAMES = [
    "projects/p",
    "projects/p/secrets/",
    "projects/p/secrets/s/versions/",
    "projects/p/secrets/s?x",
]


@pytest.mark.parametrize("text", WRONG + WRONG_NAMES)
async def test_any_other_setting_is_refused(text):
    with pytest.raises(ConfigurationError):
        async with from_setting(text):
            pass


async def test_a_key_in_the_place_of_a_setting_is_not_quoted():
    with pytest.raises(ConfigurationError) as caught:
        async with from_setting("AIza-the-key-itself"):
            pass
    assert "AIza" not in str(caught.value)
