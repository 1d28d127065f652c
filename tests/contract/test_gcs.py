"""What the adapter of Google Cloud Storage promises beyond its port."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from emulators import free_port
from http_server import Answer, Asked, forwarded, serving, silent

from imagegenservice.adapters.object_storage.gcs import Gcs
from imagegenservice.errors import AlreadyExists, ConfigurationError, Unavailable
from imagegenservice.ports import Surroundings
from imagegenservice.urls import AdapterUrl

KEY = "pictures/0a1b2c.jpg"
EMAIL = "drawer@test-project.iam.gserviceaccount.com"


def opened(bucket: str, surroundings: Surroundings, options: str = "") -> AbstractAsyncContextManager[Gcs]:
    return Gcs.open(AdapterUrl.parse(f"gs://{bucket}{options}"), surroundings)


@pytest.fixture
def server(gcs_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_server)
    return gcs_server


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def account_file(folder: Path, key: rsa.RSAPrivateKey, token_uri: str = "http://127.0.0.1:9/token") -> str:
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "account.json"
    content = {"type": "service_account", "client_email": EMAIL, "token_uri": token_uri, "project_id": "p"}
    path.write_text(json.dumps({**content, "private_key": pem.decode(), "private_key_id": "1"}))
    return str(path)


def check_signature(url: str, key: rsa.RSAPrivateKey, email: str = EMAIL) -> dict[str, str]:
    """Raises InvalidSignature unless *url* is a V4 signed GET by *email*; gives its parameters."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    signature = bytes.fromhex(query.pop("X-Goog-Signature"))
    name, _, scope = query["X-Goog-Credential"].partition("/")
    assert name == email
    canonical = "\n".join(
        [
            *("GET", parts.path, urlencode(sorted(query.items()), quote_via=quote, safe="")),
            *(f"host:{parts.netloc}", "", "host", "UNSIGNED-PAYLOAD"),
        ]
    )
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    signed = "\n".join(["GOOG4-RSA-SHA256", query["X-Goog-Date"], scope, digest])
    key.public_key().verify(signature, signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return query


def sign_blob(key: rsa.RSAPrivateKey, asked: Asked) -> Answer:
    message = base64.b64decode(json.loads(asked.body)["payload"])
    blob = key.sign(message, padding.PKCS1v15(), hashes.SHA256())
    return Answer(200, json.dumps({"keyId": "k", "signedBlob": base64.b64encode(blob).decode()}).encode())


def fetch(url: str) -> tuple[bytes, dict[str, str]]:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read(), dict(answer.headers)


@pytest.mark.parametrize("url", ["gs://", "gs:///x", "gs://B_!", "gs://bucket/../x", "gs://b@ucket"])
async def test_a_url_without_a_bucket_is_refused(url: str, surroundings: Surroundings) -> None:
    with pytest.raises(ConfigurationError):
        async with Gcs.open(AdapterUrl.parse(url), surroundings):
            raise AssertionError("it was opened")


@pytest.mark.parametrize(
    "option", ["expires=604801", "expires=5", "url=secret", "timeout=0", "concurrency=0"]
)
async def test_an_option_out_of_its_range_is_refused(option: str, surroundings: Surroundings) -> None:
    with pytest.raises(ConfigurationError, match=option.partition("=")[0]):
        async with opened("bucket", surroundings, f"?{option}"):
            raise AssertionError("it was opened")


@pytest.mark.parametrize(
    ("mode", "reach"), [("door", "private"), ("signed", "private"), ("public", "public")]
)
async def test_media_type_and_cache_control_are_stored(
    bucket: str, server: str, surroundings: Surroundings, mode: str, reach: str
) -> None:
    async with opened(bucket, surroundings, f"/some/prefix?url={mode}") as storage:
        await storage.put(KEY, b"picture", "image/webp")
    _, headers = fetch(f"{server}/{bucket}/some/prefix/{KEY}")
    assert headers["Content-Type"] == "image/webp"
    assert headers["Cache-Control"] == f"{reach}, max-age=86400, immutable"


async def test_a_prefix_is_a_world_of_its_own(bucket: str, surroundings: Surroundings) -> None:
    async with opened(bucket, surroundings, "/one") as one, opened(bucket, surroundings, "/on") as other:
        await one.put(KEY, b"one", "image/jpeg")
        await other.put(KEY, b"other", "image/jpeg")
        assert await one.get(KEY) == b"one"
        await other.delete(KEY)
        assert await one.get(KEY) == b"one"


async def test_a_public_url_works_in_a_browser(bucket: str, surroundings: Surroundings) -> None:
    async with opened(bucket, surroundings, "/some?url=public") as storage:
        await storage.put(KEY, b"picture", "image/jpeg")
        url = await storage.url(KEY)
    assert url
    assert url.endswith(f"/{bucket}/some/{KEY}")
    assert fetch(url)[0] == b"picture"


async def test_a_url_is_signed_with_the_key_that_we_have(
    bucket: str,
    surroundings: Surroundings,
    key: rsa.RSAPrivateKey,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", account_file(tmp_path, key))
    async with opened(bucket, surroundings, "/some?url=signed&expires=900") as storage:
        await storage.put(KEY, b"picture", "image/jpeg")
        url = await storage.url(KEY)
        assert url
        assert await storage.url(KEY) == url
    assert check_signature(url, key)["X-Goog-Expires"] == "900"
    assert fetch(url)[0] == b"picture"


async def test_without_a_key_iam_signs_once_for_each_picture(
    bucket: str,
    surroundings: Surroundings,
    key: rsa.RSAPrivateKey,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own, other = key, rsa.generate_private_key(public_exponent=65537, key_size=2048)
    calls: list[Asked] = []

    def iam(asked: Asked) -> Answer:
        if asked.path == "/token":
            return Answer(200, b'{"access_token": "tok", "expires_in": 3600}')
        calls.append(asked)
        return Answer(503) if len(calls) == 1 else sign_blob(other, asked)

    with serving(iam) as address:
        account = account_file(tmp_path, own, f"{address}/token")
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", account)
        options = f"?url=signed&signer=signer@x.iam.gserviceaccount.com&iam_endpoint={address}"
        async with opened(bucket, surroundings, options) as storage:
            urls = [await storage.url(name) for name in [KEY, KEY, "pictures/b.jpg", KEY]]
    assert urls[0] == urls[1] == urls[3] != urls[2]
    for url in urls:
        assert url
        check_signature(url, other, "signer@x.iam.gserviceaccount.com")
    path = "/v1/projects/-/serviceAccounts/signer@x.iam.gserviceaccount.com:signBlob"
    assert [call.path for call in calls] == [path] * 3
    assert {call.headers["authorization"] for call in calls} == {"Bearer tok"}


async def test_a_refusal_of_iam_is_unavailable(
    bucket: str,
    surroundings: Surroundings,
    key: rsa.RSAPrivateKey,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def iam(asked: Asked) -> Answer:
        token = b'{"access_token": "tok", "expires_in": 3600}'
        return Answer(200, token) if asked.path == "/token" else Answer(403, b"no")

    with serving(iam) as address:
        account = account_file(tmp_path, key, f"{address}/token")
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", account)
        options = f"?url=signed&signer=signer@x.iam.gserviceaccount.com&iam_endpoint={address}"
        async with opened(bucket, surroundings, options) as storage:
            with pytest.raises(Unavailable):
                await storage.url(KEY)


WORKLOAD = """
import asyncio, sys
from imagegenservice.adapters.object_storage.gcs import Gcs
from imagegenservice.urls import AdapterUrl
from imagegenservice.ports import Surroundings

async def main():
    async with Gcs.open(AdapterUrl.parse(sys.argv[1]), Surroundings(None, None, "", None)) as storage:
        print(await storage.url(sys.argv[2]))

asyncio.run(main())
"""


def test_under_workload_identity_we_learn_who_we_are_from_the_metadata_server(
    key: rsa.RSAPrivateKey, tmp_path: Path
) -> None:
    def metadata_and_iam(asked: Asked) -> Answer:
        if asked.path.endswith(":signBlob"):
            return sign_blob(key, asked)
        account = "/computeMetadata/v1/instance/service-accounts"
        known = {
            f"{account}/default/": json.dumps({"email": EMAIL, "scopes": [], "aliases": ["default"]}),
            f"{account}/{EMAIL}/token": '{"access_token": "tok", "expires_in": 3600, "token_type": "Bearer"}',
            f"{account}/default/token": '{"access_token": "tok", "expires_in": 3600, "token_type": "Bearer"}',
            "/computeMetadata/v1/project/project-id": '"test-project"',
        }
        text = known.get(urlsplit(asked.path).path, "" if asked.path == "/" else None)
        headers = {"Metadata-Flavor": "Google", "Content-Type": "application/json"}
        return Answer(404, b"", headers) if text is None else Answer(200, text.encode(), headers)

    with serving(metadata_and_iam) as address:
        place = urlsplit(address).netloc
        left_out = {"GOOGLE_APPLICATION_CREDENTIALS", "STORAGE_EMULATOR_HOST", "NO_GCE_CHECK"}
        environment = {
            **{name: value for name, value in os.environ.items() if name not in left_out},
            "GCE_METADATA_HOST": place,
            "GCE_METADATA_IP": place,
            "CLOUDSDK_CONFIG": str(tmp_path),
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        url = f"gs://bucket/some?url=signed&iam_endpoint={address}"
        printed = subprocess.run(
            [sys.executable, "-c", WORKLOAD, url, KEY],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert printed.stdout.startswith(f"https://storage.googleapis.com/bucket/some/{KEY}?"), printed.stderr
    check_signature(printed.stdout.strip(), key)


async def everything_is_unavailable(storage: Gcs, within: float) -> None:
    started = time.monotonic()
    outcomes = await asyncio.gather(
        storage.put(KEY, b"x", "image/jpeg"),
        storage.get(KEY),
        storage.delete(KEY),
        return_exceptions=True,
    )
    assert time.monotonic() - started < within
    assert {type(outcome) for outcome in outcomes} == {Unavailable}


async def test_a_server_that_is_away_is_unavailable_within_the_timeout(
    surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{free_port()}")
    async with opened("bucket", surroundings, "?timeout=0.8") as storage:
        await everything_is_unavailable(storage, 1.3)


async def test_a_server_that_says_nothing_is_unavailable_within_the_timeout(
    surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with silent() as address:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://{address}")
        async with opened("bucket", surroundings, "?timeout=0.8&concurrency=1") as storage:
            await everything_is_unavailable(storage, 1.3)


async def test_without_credentials_it_opens_and_says_unavailable_at_once(
    surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/account.json")
    async with opened("bucket", surroundings, "?url=signed") as storage:
        await everything_is_unavailable(storage, 5)
        with pytest.raises(Unavailable):
            await storage.url(KEY)


@pytest.mark.usefixtures("server")
async def test_a_bucket_that_does_not_exist_takes_nothing(surroundings: Surroundings) -> None:
    async with opened("nobodys-bucket", surroundings) as storage:
        with pytest.raises(Unavailable):
            await storage.put(KEY, b"x", "image/jpeg")


@pytest.fixture
def losing_server(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Does what it is asked, and loses its first answer to each upload."""
    uploads: list[str] = []

    def lose_the_first(asked: Asked) -> Answer:
        answer = forwarded(server, asked)
        if asked.path.startswith("/upload/"):
            uploads.append(asked.path)
            return answer if len(uploads) > 1 else Answer(503, b"lost")
        return answer

    with serving(lose_the_first) as address:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", address)
        yield uploads


async def test_an_upload_whose_answer_was_lost_is_a_success(
    bucket: str, losing_server: list[str], surroundings: Surroundings
) -> None:
    async with opened(bucket, surroundings) as storage:
        await storage.put(KEY, b"picture", "image/jpeg")
        assert len(losing_server) == 2
        assert await storage.get(KEY) == b"picture"
        with pytest.raises(AlreadyExists):
            await storage.put(KEY, b"PICTURE", "image/jpeg")


async def test_bytes_that_were_damaged_on_their_way_are_not_given_out(
    bucket: str, server: str, surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damage(asked: Asked) -> Answer:
        answer = forwarded(server, asked)
        is_media = asked.method == "GET" and "alt=media" in asked.path
        return Answer(answer.status, answer.body[:-1] + b"!", answer.headers) if is_media else answer

    with serving(damage) as address:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", address)
        async with opened(bucket, surroundings, "?timeout=2") as storage:
            await storage.put(KEY, b"picture", "image/jpeg")
            with pytest.raises(Unavailable):
                await storage.get(KEY)


async def test_an_upload_names_its_checksum_and_its_precondition(
    bucket: str, server: str, surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploads: list[Asked] = []

    def watch(asked: Asked) -> Answer:
        if asked.method == "POST":
            uploads.append(asked)
        return forwarded(server, asked)

    with serving(watch) as address:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", address)
        async with opened(bucket, surroundings) as storage:
            await storage.put(KEY, b"picture", "image/jpeg")
    assert len(uploads) == 1
    assert "ifGenerationMatch=0" in uploads[0].path
    assert b'"crc32c"' in uploads[0].body
