"""A secret in Google's Secret Manager, so that a rotation needs no rollout."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable
from typing import Final, Self

import google.auth
import google_crc32c
import grpc.aio
from google.api_core.exceptions import GoogleAPICallError
from google.auth.exceptions import GoogleAuthError
from google.cloud.secretmanager_v1 import AccessSecretVersionResponse, SecretManagerServiceAsyncClient
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import (
    SecretManagerServiceGrpcAsyncIOTransport as Transport,
)

from ...errors import ConfigurationError, Unavailable
from ...ports import Secret

log = logging.getLogger(__name__)

TTL: Final = 600.0
"""Seconds for which a value is used without asking again."""
PAUSE: Final = 10.0
"""Seconds between two questions, however often the value is distrusted or the last question failed."""
TIMEOUT: Final = 5.0
"""Seconds for one question, the first with its connection and its credentials."""

_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
_NAME: Final = re.compile(r"projects/[a-z0-9:.-]+/secrets/[A-Za-z0-9_-]{1,255}(/versions/[A-Za-z0-9_-]+)?")


class SecretManagerSecret(Secret):
    """
    projects/P/secrets/S/versions/V, or projects/P/secrets/S for the latest version.

    Nothing is asked before the first read. The last good value is kept while the service is away. *channel*
    replaces the real service with default credentials. Raises ConfigurationError for another name.
    """

    def __init__(
        self,
        name: str,
        *,
        channel: grpc.aio.Channel | None = None,
        timeout: float = TIMEOUT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not _NAME.fullmatch(name):
            raise ConfigurationError(
                f"{name!r} is not projects/P/secrets/S or projects/P/secrets/S/versions/V"
            )
        self._name = name if "/versions/" in name else f"{name}/versions/latest"
        self._channel = channel
        self._timeout = timeout
        self._clock = clock
        self._transport: Transport | None = None
        self._turn = asyncio.Lock()
        self._value = ""
        self._asked_at = self._read_at = float("-inf")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._transport is not None:
            await self._transport.grpc_channel.close()

    async def read(self) -> str:
        async with self._turn:
            if self._due():
                await self._refresh()
        return self._value

    def distrust(self) -> None:
        self._read_at = float("-inf")

    def _due(self) -> bool:
        now = self._clock()
        return not self._value or (now - self._read_at >= TTL and now - self._asked_at >= PAUSE)

    async def _refresh(self) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                self._value = _checked(await self._ask())
            self._read_at = self._clock()
        except (GoogleAPICallError, GoogleAuthError, TimeoutError, ValueError) as exc:
            cause = type(exc).__name__
            if not self._value:
                raise Unavailable(f"Secret Manager gave no value ({cause}).") from None
            log.warning("a secret cannot be read, its last value is kept", extra={"cause": cause})
        finally:
            self._asked_at = self._clock()

    async def _ask(self) -> AccessSecretVersionResponse:
        if self._transport is None:
            self._transport = await self._connect()
        client = SecretManagerServiceAsyncClient(transport=self._transport)
        return await client.access_secret_version(name=self._name, timeout=self._timeout, retry=None)

    async def _connect(self) -> Transport:
        if self._channel is not None:
            return Transport(channel=self._channel)
        # Off the loop: it reads files, and asks the metadata server where there is one.
        credentials, _ = await asyncio.to_thread(google.auth.default, scopes=[_SCOPE])
        return Transport(credentials=credentials)


def _checked(answer: AccessSecretVersionResponse) -> str:
    """Raises ValueError for what was damaged on its way, is empty or is no text."""
    data = answer.payload.data
    if google_crc32c.value(data) != answer.payload.data_crc32c:
        raise ValueError("wrong checksum")
    value = data.decode().strip()
    if not value:
        raise ValueError("empty")
    log.info("secret read", extra={"version": answer.name.rpartition("/")[2]})
    return value
