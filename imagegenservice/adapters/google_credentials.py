"""Who we are for Google Cloud, found out when it is first needed, so that a start never waits for it."""

from __future__ import annotations

import asyncio
import logging

import google.auth
from google.auth.credentials import Credentials
from google.auth.exceptions import GoogleAuthError

from ..errors import Unavailable

SCOPE = "https://www.googleapis.com/auth/cloud-platform"

log = logging.getLogger(__name__)


class GoogleCredentials:
    """Application default credentials. One search at a time; a search that failed is made again later."""

    def __init__(self) -> None:
        self._search: asyncio.Task[Credentials] | None = None

    async def find(self, timeout: float) -> Credentials:  # noqa: ASYNC109 - callers without one cannot exist
        """Raises Unavailable after *timeout* seconds, or when there are none."""
        if self._search is None or (self._search.done() and self._search.exception()):
            # Off the loop: it reads files, and asks the metadata server.
            self._search = asyncio.create_task(asyncio.to_thread(_look))
        try:
            async with asyncio.timeout(timeout):
                return await asyncio.shield(self._search)
        except (GoogleAuthError, TimeoutError) as exc:
            log.error("no Google credentials", extra={"cause": str(exc) or "timeout"})  # noqa: TRY400
            raise Unavailable("There are no Google credentials.") from None


def _look() -> Credentials:
    credentials, _ = google.auth.default(scopes=[SCOPE])
    return credentials
