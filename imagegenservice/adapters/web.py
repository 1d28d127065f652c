"""Fetches pictures over HTTP: bounded, without redirects, at the address that was checked."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final, Self

import httpx2

from ..errors import FetchFailed, Unavailable, Unwell
from ..ports import Web
from ..spans import headers
from ..telemetry import call_out
from ..url_guard import Target, UrlGuard

TIMEOUT: Final = 8.0
"""Seconds for one picture, look-up and transfer included."""


class Fetcher:
    """GET with limits. One for the process."""

    def __init__(self, client: httpx2.AsyncClient, max_bytes: int) -> None:
        self._client = client
        self._max_bytes = max_bytes

    @classmethod
    @asynccontextmanager
    async def open(cls, max_bytes: int) -> AsyncIterator[Self]:
        """Open the connection pool for the time of the block."""
        limits = httpx2.Limits(max_connections=32, max_keepalive_connections=8)
        # Without a proxy or netrc of the environment: the guard has decided where to connect.
        forgetful = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
        async with httpx2.AsyncClient(
            follow_redirects=False, limits=limits, timeout=TIMEOUT, trust_env=False, cookies=forgetful
        ) as client:
            yield cls(client, max_bytes)

    async def get(self, url: str, *, host: str = "") -> bytes:
        """
        The body of a 200 answer. *host* is the name to ask for when *url* holds an address.

        Raises FetchFailed (another answer, or too large), Unavailable (no answer in time).
        """
        with call_out("web" if host else "pictures", "GET") as call:
            call.set("http.request.method", "GET")
            # A trace is our shop's own business: no word of it to foreign hosts.
            # Nor a second use of a connection: another name at this address has another certificate.
            own = {"host": host, "connection": "close"} if host else headers()
            try:
                async with asyncio.timeout(TIMEOUT):
                    return await self._get(url, own, host.partition(":")[0])
            except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as exc:
                raise FetchFailed("The picture's address is not valid.") from exc
            except (httpx2.HTTPError, TimeoutError, OSError) as exc:
                raise Unavailable("The picture's server did not answer. Please try again.") from exc

    async def _get(self, url: str, own: Mapping[str, str], sni: str) -> bytes:
        asked = {"accept": "image/*", "accept-encoding": "identity", **own}
        extensions = {"sni_hostname": sni} if sni else {}
        async with self._client.stream("GET", url, headers=asked, extensions=extensions) as response:
            return await self._body(response)

    async def _body(self, response: httpx2.Response) -> bytes:
        if response.status_code >= 500 or response.status_code == 429:
            raise Unwell("The picture's server is not well at the moment. Please try again.")
        if response.status_code != 200:
            raise FetchFailed("The picture's server has no such picture.")
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise FetchFailed("The picture came in an encoding that was not asked for.")
        chunks = bytearray()
        async for chunk in response.aiter_raw():
            chunks += chunk
            if len(chunks) > self._max_bytes:
                raise FetchFailed(
                    f"The picture has more than {self._max_bytes} bytes.", reason="FETCH_REFUSED"
                )
        return bytes(chunks)


async def _resolve(target: Target) -> Sequence[str]:
    found = await asyncio.get_running_loop().getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class GuardedWeb(Web):
    """Fetches what the guard allows, at an address that the guard has seen; names are looked up once."""

    def __init__(
        self,
        fetcher: Fetcher,
        guard: UrlGuard,
        resolve: Callable[[Target], Awaitable[Sequence[str]]] = _resolve,
    ) -> None:
        self._fetcher = fetcher
        self._guard = guard
        self._resolve = resolve

    async def fetch(self, url: str) -> bytes:
        target = self._guard.check(url)
        try:
            async with asyncio.timeout(TIMEOUT):
                address = self._guard.choose(await self._look_up(target))
                return await self._fetcher.get(target.at(address), host=target.authority)
        except TimeoutError as exc:
            raise Unavailable("The picture's server did not answer. Please try again.") from exc

    async def _look_up(self, target: Target) -> Sequence[str]:
        try:
            async with asyncio.timeout(TIMEOUT / 2):
                return await self._resolve(target)
        except (OSError, UnicodeError, TimeoutError) as exc:
            text = "The picture's server cannot be found at the moment. Please try again."
            raise Unavailable(text) from exc
