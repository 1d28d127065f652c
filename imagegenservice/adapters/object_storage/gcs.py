"""An object storage in Google Cloud Storage."""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import Any, Literal, Self, TypeVar
from urllib.parse import quote

import google_crc32c
from google.api_core.exceptions import BadRequest, GoogleAPIError, NotFound, PreconditionFailed
from google.auth.credentials import AnonymousCredentials, Credentials
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import AuthorizedSession
from google.cloud.storage import Client  # type: ignore[import-untyped]  # it has no types
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse  # type: ignore[import-untyped]
from google.cloud.storage.retry import DEFAULT_RETRY  # type: ignore[import-untyped]
from pydantic import Field
from requests import RequestException
from requests.adapters import HTTPAdapter

from ...errors import AlreadyExists, ConfigurationError, KeyNotFound, Overloaded, Unavailable
from ...ports import ObjectStorage, Surroundings
from ...urls import AdapterUrl, Options
from ..google_credentials import GoogleCredentials
from .gcs_signing import SignedUrls
from .keys import for_reading, for_writing, is_key

R = TypeVar("R")
Untyped = Any
"""The library's buckets and blobs."""

MOST_WAITING = 200
LIST_TIMEOUT = 60.0
"""Seconds. A list walks past all that is younger, a thousand names a request."""

_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_session: Callable[..., AuthorizedSession] = AuthorizedSession
_anonymous: Callable[[], Credentials] = AnonymousCredentials
log = logging.getLogger(__name__)


class GcsOptions(Options):
    """
    How it is reached, and how a browser reaches a picture.

    * `url`: `door`: through our own HTTP port. `signed`: straight from the bucket, for `expires` seconds (at
      least half of them are left). `public`: straight from a bucket that everybody may read; that right is
      the bucket's own, this service gives it to nobody.
    * `signer`: the service account that signs (default: the one we are). `iam_endpoint`: where it signs when
      we hold no key.
    * `timeout`: seconds until a call, with its retries, gives up. `concurrency`: calls at once.
    """

    url: Literal["door", "public", "signed"] = "door"
    expires: int = Field(default=3600, ge=60, le=7 * 86_400)
    signer: str = ""
    iam_endpoint: str = Field(default="https://iamcredentials.googleapis.com", pattern=r"^https?://[^/?#]+$")
    timeout: float = Field(default=10.0, gt=0, le=120)
    concurrency: int = Field(default=8, ge=1, le=64)


class Gcs(ObjectStorage):
    """
    gs://bucket/prefix.

    An object is created once and never overwritten (a precondition on its generation), with a checksum
    that the server compares. The library is synchronous: it runs in a bounded pool of threads.
    """

    def __init__(self, bucket: str, prefix: str, options: GcsOptions, project: str) -> None:
        self._bucket_name = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._options = options
        self._project = project
        self._credentials = GoogleCredentials()
        self._pool = ThreadPoolExecutor(options.concurrency, "object-storage")
        self._waiting = 0
        self._bucket: Untyped = None
        self._signed = SignedUrls(options.expires, options.signer, options.iam_endpoint, options.timeout / 2)
        retry = DEFAULT_RETRY.with_delay(initial=0.2, maximum=2.0).with_timeout(options.timeout)
        # The timeout is that of each wait for the server, so that a second attempt is possible.
        self._patience: dict[str, Any] = {"timeout": options.timeout / 2, "retry": retry}

    @classmethod
    @asynccontextmanager
    async def open(cls, url: AdapterUrl, surroundings: Surroundings) -> AsyncIterator[Self]:
        """Nothing is asked of the bucket yet."""
        options = url.options(GcsOptions)
        prefix = url.path.strip("/")
        if not _BUCKET.fullmatch(url.host) or (prefix and not is_key(prefix)):
            raise ConfigurationError(f"{url.text}: write gs://bucket or gs://bucket/prefix")
        opened = cls(url.host, prefix, options, surroundings.project)
        try:
            yield opened
        finally:
            await opened._close()

    async def put(self, key: str, data: bytes, media_type: str) -> None:
        """Equal bytes again count as stored now."""
        await self._run(self._put, self._name(for_writing(key)), data, media_type)

    async def get(self, key: str) -> bytes:
        return await self._run(self._get, self._name(for_reading(key)))

    async def delete(self, key: str) -> None:
        if is_key(key):
            await self._run(self._delete, self._name(key))

    async def list_older(self, prefix: str, before: datetime, limit: int) -> list[str]:
        """In the order of their names, by the clock of the bucket."""
        return await self._run(self._list, self._name(prefix), before, limit, timeout=LIST_TIMEOUT)

    async def url(self, key: str) -> str | None:
        """None with `url=door`. A signed URL may need a call to IAM: raises Unavailable."""
        name = self._name(for_reading(key))
        if self._options.url == "public":
            base = os.environ.get("STORAGE_EMULATOR_HOST", "https://storage.googleapis.com")
            return f"{base}/{self._bucket_name}/{quote(name)}"
        if self._options.url == "signed":
            return self._signed.known(name) or await self._sign(name)
        return None

    def _name(self, key: str) -> str:
        return self._prefix + key

    async def _sign(self, name: str) -> str:
        # Not the client's own credentials: an emulator needs none, a signature does.
        credentials = await self._credentials.find(self._options.timeout)
        return await self._run(self._signed.make, credentials, name)

    async def _run(
        self,
        work: Callable[..., R],
        *args: object,
        timeout: float | None = None,  # noqa: ASYNC109 - the option's, or a longer one
    ) -> R:
        if self._waiting >= MOST_WAITING:
            raise Overloaded("Too many calls wait for the object storage.")
        self._waiting += 1
        try:
            with _translated():
                async with asyncio.timeout(timeout or self._options.timeout):
                    bucket = await self._connected()
                    return await asyncio.wrap_future(self._pool.submit(work, bucket, *args))
        finally:
            self._waiting -= 1

    def _put(self, bucket: Untyped, name: str, data: bytes, media_type: str) -> None:
        blob = bucket.blob(name)
        # The name says the content, so that it never changes; a day, because it may be deleted.
        reach = "public" if self._options.url == "public" else "private"
        blob.cache_control = f"{reach}, max-age=86400, immutable"
        try:
            blob.upload_from_string(
                data, content_type=media_type, if_generation_match=0, checksum="crc32c", **self._patience
            )
        except PreconditionFailed:
            self._accept(bucket.get_blob(name, **self._patience), data)

    def _accept(self, there: Untyped, data: bytes) -> None:
        """Something has the name: our own first attempt, an earlier equal put, or other bytes."""
        if there is None:
            raise Unavailable("An object was deleted while it was stored.")
        checksum = base64.b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()
        if there.size != len(data) or there.crc32c != checksum:
            raise AlreadyExists
        there.custom_time = datetime.now(UTC)
        # Refused when somebody has just set a later one, which is as good.
        with suppress(BadRequest):
            there.patch(**self._patience)

    def _get(self, bucket: Untyped, name: str) -> bytes:
        try:
            return bytes(bucket.blob(name).download_as_bytes(checksum="crc32c", **self._patience))
        except NotFound:
            raise KeyNotFound from None

    def _delete(self, bucket: Untyped, name: str) -> None:
        with suppress(NotFound):
            bucket.blob(name).delete(**self._patience)

    def _list(self, bucket: Untyped, prefix: str, before: datetime, limit: int) -> list[str]:
        fields = "items(name,timeCreated,customTime),nextPageToken"
        blobs = bucket.list_blobs(prefix=prefix, fields=fields, **self._patience)
        names = (blob.name for blob in blobs if (blob.custom_time or blob.time_created) < before)
        return [name.removeprefix(self._prefix) for name in islice(names, limit)]

    async def _connected(self) -> Untyped:
        if self._bucket is None:
            emulated = "STORAGE_EMULATOR_HOST" in os.environ
            timeout = self._options.timeout
            found = _anonymous() if emulated else await self._credentials.find(timeout)
            self._bucket = self._bucket or self._connect(found)
        return self._bucket

    def _connect(self, credentials: Credentials) -> Untyped:
        session = _session(credentials, refresh_timeout=self._options.timeout / 2)
        session.mount("https://", HTTPAdapter(pool_maxsize=self._options.concurrency))
        session.mount("http://", HTTPAdapter(pool_maxsize=self._options.concurrency))
        client = Client(self._project or None, credentials, _http=session)
        return client.bucket(self._bucket_name)

    async def _close(self) -> None:
        await asyncio.to_thread(partial(self._pool.shutdown, cancel_futures=True))
        if self._bucket is not None:
            self._bucket.client.close()
        self._signed.close()


@contextmanager
def _translated() -> Iterator[None]:
    """The one place that knows the errors of the library, of its HTTP client and of its credentials."""
    try:
        yield
    except (
        *(GoogleAPIError, GoogleAuthError, DataCorruption, InvalidResponse),
        *(RequestException, TimeoutError),
        # What the library trips over when an answer is half a JSON, or of another shape than it should be.
        *(AttributeError, LookupError, TypeError, ValueError),
    ) as exc:
        log.error("object storage failed", extra={"cause": f"{type(exc).__name__}: {exc}"})  # noqa: TRY400
        raise Unavailable("The object storage did not answer.") from exc
