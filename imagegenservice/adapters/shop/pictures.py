"""The products' pictures: below the shop's frontend, or at an allowed absolute address."""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from typing import Final
from unicodedata import category, normalize
from urllib.parse import quote, unquote

from ...errors import ConfigurationError, FetchFailed, Unwell, UrlNotAllowed
from ...neighbours import Neighbour
from ...ports import ProductPictures, Web
from ..web import Fetcher

PAUSE: Final = 3.0
"""Seconds for which the frontend is left alone at a time while it is away."""
KEPT: Final = 600.0
"""Seconds for which a fetched picture is used again."""

_PAGE: Final = re.compile(rb"\s*<(?:!doctype\s+html|html)\b", re.IGNORECASE)
"""A page of an error or a log-in, served as if all were well: not what this product looks like."""

_BASE: Final = re.compile(
    r"https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?"
)


class HttpPictures(ProductPictures):
    """
    Relative paths are fetched below *base*, which its setting makes trusted; absolute URLs behind the guard.

    Pictures are kept for a while, up to *cache_bytes* in all.
    """

    def __init__(
        self, base: str, fetcher: Fetcher, web: Web, neighbour: Neighbour, cache_bytes: int = 32 * 1024 * 1024
    ) -> None:
        if not _BASE.fullmatch(base):
            raise ConfigurationError(f"PICTURES_URL: {base!r} is not of the form http://host:port/path")
        self._base = base.rstrip("/")
        self._fetcher = fetcher
        self._web = web
        self._neighbour = neighbour
        self._cache = PictureCache(cache_bytes)

    async def fetch(self, address: str) -> bytes:
        if (kept := self._cache.get(address)) is not None:
            return kept
        data = await self._fetch(address)
        self._cache.put(address, data)
        return data

    async def _fetch(self, address: str) -> bytes:
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", address) or address.startswith("//"):
            try:
                return await self._web.fetch(address)
            except UrlNotAllowed as exc:
                raise FetchFailed("The product's picture has an address that is not allowed.") from exc
        path = _safe_path(address)
        with self._neighbour.asked():
            data = await self._fetcher.get(f"{self._base}/{path}")
            if _PAGE.match(data[:512]):
                raise Unwell("The frontend answers with a page where a picture should be.")
            return data


def _safe_path(path: str) -> str:
    """*path*, decoded once and encoded anew, so that it says the same to whoever reads it below the base."""
    try:
        plain = unquote(path, errors="strict").lstrip("/")
        escaped = quote(plain)
    except UnicodeError:
        raise FetchFailed("The product's picture has a path that cannot be read.") from None
    odd = any(char in "\\%" or category(char) in {"Cc", "Cf"} for char in plain)
    parts = normalize("NFKC", plain).split("/")
    if odd or not all(part.partition(";")[0].strip(". ") for part in parts):
        raise FetchFailed("The product's picture has a path that leads elsewhere.")
    return escaped


class PictureCache:
    """The latest pictures, by address, bounded in bytes and time."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: OrderedDict[str, tuple[float, bytes]] = OrderedDict()

    def get(self, address: str) -> bytes | None:
        """The picture, unless it is too old."""
        found = self._kept.get(address)
        if found is None:
            return None
        if time.monotonic() - found[0] > KEPT:
            self._drop(address)
            return None
        self._kept.move_to_end(address)
        return found[1]

    def put(self, address: str, data: bytes) -> None:
        """Keep a picture, and let older ones go for it."""
        if len(data) > self._max_bytes // 4:
            return
        if address in self._kept:
            self._drop(address)
        self._kept[address] = (time.monotonic(), data)
        self._bytes += len(data)
        while self._bytes > self._max_bytes:
            self._drop(next(iter(self._kept)))

    def _drop(self, address: str) -> None:
        self._bytes -= len(self._kept.pop(address)[1])
