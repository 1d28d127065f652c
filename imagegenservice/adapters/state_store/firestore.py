"""A state store in Firestore, for many replicas: conditions on the update time are its compare-and-set."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Self, TypeVar
from urllib.parse import quote, unquote
from uuid import uuid4

from google.api_core import exceptions as google_errors
from google.api_core.datetime_helpers import DatetimeWithNanoseconds
from google.api_core.retry import AsyncRetry, if_exception_type
from google.auth.exceptions import GoogleAuthError
from google.cloud.firestore_v1 import (
    AsyncClient,
    AsyncCollectionReference,
    AsyncDocumentReference,
    DocumentSnapshot,
)
from google.cloud.firestore_v1.base_query import FieldFilter
from pydantic import Field

from ...errors import AlreadyExists, ConfigurationError, Unavailable, VersionConflict
from ...model import Document
from ...ports import StateStore, Surroundings
from ...urls import AdapterUrl, Options
from ..google_credentials import GoogleCredentials
from .bodies import microseconds, read, written

R = TypeVar("R")
Snapshot = DocumentSnapshot[AsyncDocumentReference]
_from_text: Callable[[str], DatetimeWithNanoseconds] = DatetimeWithNanoseconds.from_rfc3339

# Ends a tag in the field `place`. Tags do not hold control characters.
_END, _AFTER_END = "\x1f", "\x20"

_transient = if_exception_type(
    google_errors.ServiceUnavailable,
    google_errors.InternalServerError,
    google_errors.DeadlineExceeded,
    google_errors.Aborted,
)
log = logging.getLogger(__name__)


class FirestoreOptions(Options):
    """`prefix`: of the collections' names. `timeout`: seconds until a call, with its retries, gives up."""

    prefix: str = Field(default="imagegen", pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$")
    timeout: float = Field(default=5.0, gt=0, le=60)


class Firestore(StateStore):
    """
    firestore://project/database; the project of the service and the database "(default)" unless named.

    Each kind is a collection, <prefix>-<kind>, with the fields

    * `body`: the JSON text. Not a map: names with dots and other signs need no escape, what comes back is
      what was given, and Firestore does not index every value in it. Exempt it from indexing to pay less.
    * `place`: the tag, a separator and the time of creation, so that one range over one field finds a
      tag's documents in their order. No composite index is needed anywhere.
    * `expires_at`: a timestamp, fit for a TTL policy. Firestore deletes up to a day late, so that readers
      compare it with their clock.
    * `write`: which write this is. A retried write that finds itself done knows itself by it.

    No transactions: they lock, and wait for each other, where a condition fails at once.
    """

    def __init__(self, project: str, database: str, options: FirestoreOptions) -> None:
        self._project = project
        self._database = database
        self._options = options
        self._credentials = GoogleCredentials()
        self._client: AsyncClient | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls, url: AdapterUrl, surroundings: Surroundings) -> AsyncIterator[Self]:
        """Nothing is asked of Firestore yet."""
        options = url.options(FirestoreOptions)
        project = url.host or surroundings.project
        database = url.path.strip("/")
        if not project or "/" in database:
            raise ConfigurationError(f"{url.text}: write firestore://project or firestore://project/database")
        store = cls(project, database or "(default)", options)
        try:
            yield store
        finally:
            await store._close()

    async def create(self, document: Document) -> Document:
        born = _now()
        fields = _fields(document, born)
        reference = await self._reference(document.kind, document.id)
        try:
            result = await self._call(partial(reference.create, fields))
        except AlreadyExists:
            there = await self._call(reference.get)
            if there.exists and there.get("write") == fields["write"]:
                return replace(document, version=_version(there.update_time, born))
            if there.exists and _expired(there):
                return await self._take_over(document, there)
            raise
        return replace(document, version=_version(result.update_time, born))

    async def get(self, kind: str, id: str) -> Document | None:  # noqa: A002
        reference = await self._reference(kind, id)
        there = await self._call(reference.get)
        return _document(kind, there) if there.exists and not _expired(there) else None

    async def replace(self, document: Document) -> Document:
        updated, born = _parsed(document.version)
        return await self._update(document, updated, born)

    async def delete(self, document: Document) -> None:
        reference = await self._reference(document.kind, document.id)
        condition = AsyncClient.write_option(last_update_time=_parsed(document.version)[0])
        attempts = 0

        def attempt(**kwargs: Any) -> Awaitable[object]:  # noqa: ANN401 - the library's own
            nonlocal attempts
            attempts += 1
            return reference.delete(option=condition, **kwargs)

        try:
            await self._call(attempt, conditional=True)
        except VersionConflict:
            there = await self._call(reference.get)
            # After an attempt without an answer, a missing document may be our own deletion.
            if attempts == 1 or there.exists:
                raise

    async def tagged(self, kind: str, tag: str, limit: int) -> list[Document]:
        query = (
            (await self._collection(kind))
            .where(filter=FieldFilter("place", ">=", tag + _END))
            .where(filter=FieldFilter("place", "<", tag + _AFTER_END))
            .order_by("place")
            .limit(limit)
        )
        found: list[Document] = []
        page = await self._call(query.get)
        while page:
            found += [_document(kind, there) for there in page if not _expired(there)]
            if len(page) < limit or len(found) >= limit:
                break
            page = await self._call(query.start_after(page[-1]).get)
        return found[:limit]

    async def expired(self, kind: str, limit: int) -> list[Document]:
        query = (
            (await self._collection(kind))
            .where(filter=FieldFilter("expires_at", "<=", datetime.now(UTC)))
            .order_by("expires_at")
            .limit(limit)
        )
        return [_document(kind, there) for there in await self._call(query.get)]

    async def _take_over(self, document: Document, expired: Snapshot) -> Document:
        try:
            return await self._update(document, expired.update_time, _now())
        except VersionConflict:
            raise AlreadyExists from None

    async def _update(self, document: Document, updated: object, born: int) -> Document:
        fields = _fields(document, born)
        reference = await self._reference(document.kind, document.id)
        condition = AsyncClient.write_option(last_update_time=updated)
        try:
            result = await self._call(partial(reference.update, fields, option=condition), conditional=True)
        except VersionConflict:
            there = await self._call(reference.get)
            if there.exists and there.get("write") == fields["write"]:
                return replace(document, version=_version(there.update_time, born))
            raise
        return replace(document, version=_version(result.update_time, born))

    async def _call(self, attempt: Callable[..., Awaitable[R]], *, conditional: bool = False) -> R:
        """
        Call Firestore, again where that may help, and say what came of it in our words.

        The library's own retries have no end of their own: their timeout is one attempt's.
        """
        timeout = self._options.timeout
        retry = AsyncRetry(_transient, initial=0.1, maximum=1.0, multiplier=2.0, timeout=timeout)
        with _translated(conditional):
            async with asyncio.timeout(timeout):
                return await retry(attempt)(retry=None, timeout=timeout / 2)

    async def _reference(self, kind: str, id: str) -> AsyncDocumentReference:  # noqa: A002
        return (await self._collection(kind)).document(_name(id))

    async def _collection(self, kind: str) -> AsyncCollectionReference:
        return (await self._connected()).collection(f"{self._options.prefix}-{kind}")

    async def _connected(self) -> AsyncClient:
        if self._client is None:
            emulated = "FIRESTORE_EMULATOR_HOST" in os.environ
            credentials = None if emulated else await self._credentials.find(self._options.timeout)
            self._client = self._client or AsyncClient(self._project, credentials, self._database)
        return self._client

    async def _close(self) -> None:
        if self._client is not None:
            # AsyncClient.close() leaves the channel open.
            await self._client._firestore_api.transport.close()  # noqa: SLF001


def _fields(document: Document, born: int) -> dict[str, Any]:
    return {
        "body": written(document.body),
        "place": f"{document.tag}{_END}{born:020}",
        "expires_at": document.expires_at,
        "write": uuid4().hex,
    }


def _document(kind: str, there: Snapshot) -> Document:
    tag, _, born = there.get("place").rpartition(_END)
    version = _version(there.update_time, int(born))
    return Document(kind, unquote(there.id), read(there.get("body")), tag, there.get("expires_at"), version)


def _expired(there: Snapshot) -> bool:
    end = there.get("expires_at")
    return end is not None and end <= datetime.now(UTC)


def _now() -> int:
    return microseconds(datetime.now(UTC))


def _version(updated: Any, born: int) -> str:  # noqa: ANN401 - a DatetimeWithNanoseconds, whatever stubs say
    """The condition of the next write, and what that write must keep."""
    return f"{updated.rfc3339()}/{born}"


def _parsed(version: str) -> tuple[DatetimeWithNanoseconds, int]:
    """Raises VersionConflict for a version that is none of ours."""
    try:
        updated, born = version.split("/")
        return _from_text(updated), int(born)
    except ValueError:
        raise VersionConflict from None


def _name(id: str) -> str:  # noqa: A002
    """An id as a document's name: no slash, neither . nor .., not __…__; `unquote` leads back."""
    name = quote(id, safe="")
    if name.startswith("__"):
        return name.replace("_", "%5F", 1)
    return name if name.strip(".") else name.replace(".", "%2E")


@contextmanager
def _translated(conditional: bool) -> Iterator[None]:
    """The one place that knows Firestore's errors."""
    try:
        yield
    except google_errors.AlreadyExists:
        raise AlreadyExists from None
    except (google_errors.GoogleAPIError, GoogleAuthError, TimeoutError) as exc:
        # A database that does not exist is not found either; but then the read that follows fails too.
        if conditional and isinstance(exc, google_errors.NotFound | google_errors.FailedPrecondition):
            raise VersionConflict from None
        cause = getattr(exc, "cause", None) or exc
        log.error("firestore failed", extra={"cause": f"{type(cause).__name__}: {cause}"})  # noqa: TRY400
        raise Unavailable("Firestore did not answer.") from exc
