"""Backgrounds that shoppers hand in: decoded, made plain, stored under their hash and owner."""

from __future__ import annotations

import asyncio
import binascii
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from .errors import AlreadyExists, PictureRefused, UrlNotAllowed, VersionConflict
from .gallery import KEY, Gallery
from .model import Asset, Document
from .ports import Darkroom, StateStore, Web
from .records import now

KIND: Final = "background"
MAX_SIDE: Final = 2048
"""Backgrounds are stored no larger than this: twice the largest side of a picture by default."""

_DATA_URL = re.compile(r"data:image/[a-z0-9.+-]{1,32};base64,", re.IGNORECASE)
_WHITE = " \t\r\n"
_WITHOUT_WHITE = str.maketrans("", "", _WHITE)


@dataclass(frozen=True, slots=True)
class Background:
    """A stored background. `owner` is empty when whoever knows its URL may use it."""

    asset: Asset
    owner: str
    expires_at: datetime


class Backgrounds:
    """The uploads, and the foreign backgrounds that were taken in like uploads."""

    def __init__(
        self,
        store: StateStore,
        gallery: Gallery,
        darkroom: Darkroom,
        web: Web,
        *,
        max_bytes: int,
        days: float,
    ) -> None:
        self._store = store
        self._gallery = gallery
        self._darkroom = darkroom
        self._web = web
        self._max_bytes = max_bytes
        self._kept = timedelta(days=days)

    async def upload(self, text: str, owner: str) -> Background:
        """Take a picture in. Raises PictureRefused, Overloaded, Unavailable."""
        data = await asyncio.to_thread(decode_base64, text, self._max_bytes)
        del text  # megabytes that nobody needs while the picture is decoded
        return await self.take_in(data, owner)

    async def take_in(self, data: bytes, owner: str) -> Background:
        """Make plain, store; the same of one owner once. Raises PictureRefused, Overloaded, Unavailable."""
        picture = await self._darkroom.develop(data, max_side=MAX_SIDE)
        until = now() + self._kept
        asset = await self._gallery.keep(picture, until, folder="backgrounds", owner=owner)
        background = Background(asset, owner, until)
        await self._note(background)
        return background

    async def find(self, url: str, owner: str) -> Background:
        """
        The background that *url* names for this owner.

        Our own URLs are recognised by their path, on whatever host, and never fetched. Others are fetched
        if the allow-list has them, and taken in. Raises UrlNotAllowed, FetchFailed, PictureRefused,
        Unavailable.
        """
        key = own_key(url)
        if key is not None:
            document = await self._store.get(KIND, _id(key))
            if document is not None:
                background = _background(document)
                if background.owner and background.owner != owner:
                    raise UrlNotAllowed
                return background
        data = await self._web.fetch(url)
        try:
            return await self.take_in(data, owner)
        except PictureRefused as exc:
            raise PictureRefused(exc.detail, reason=exc.reason, field="background_image_url") from exc

    async def renew(self, background: Background, until: datetime) -> bool:
        """Keep the bytes until then, for an order that uses them; False when they are gone."""
        return await self._gallery.renew(background.asset, until)

    async def _note(self, background: Background) -> None:
        body = {"asset": background.asset.model_dump(mode="json"), "owner": background.owner}
        name = _id(background.asset.key)
        fresh = Document(KIND, name, body, expires_at=background.expires_at)
        try:
            await self._store.create(fresh)
        except AlreadyExists:
            await self._prolong(name, background)

    async def _prolong(self, name: str, background: Background) -> None:
        stored = await self._store.get(KIND, name)
        if stored is None:
            return
        try:
            await self._store.replace(
                Document(KIND, name, stored.body, stored.tag, background.expires_at, stored.version)
            )
        except VersionConflict:
            return  # the same picture was handed in at the same time


def decode_base64(text: str, max_bytes: int) -> bytes:
    """
    Decode standard base64, padded; ASCII white space and a data: URL's head are passed over.

    Raises PictureRefused (BASE64_INVALID, IMAGE_TOO_LARGE). The size is checked before decoding.
    """
    if not text:
        raise PictureRefused("send the picture as base64", reason="BASE64_INVALID")
    if len(text) > max_bytes * 3 // 2:
        raise PictureRefused(f"at most {max_bytes} bytes of picture are taken", reason="IMAGE_TOO_LARGE")
    head = _DATA_URL.match(text)
    body = text[head.end() :] if head else text
    if any(white in body for white in _WHITE):
        body = body.translate(_WITHOUT_WHITE)
    try:
        data = binascii.a2b_base64(body, strict_mode=True)
    except ValueError:
        data = b""
    # Even so one sign of padding too many would pass.
    if not data or len(body) % 4:
        raise PictureRefused("this is not standard base64 (RFC 4648, padded)", reason="BASE64_INVALID")
    if len(data) > max_bytes:
        raise PictureRefused(f"at most {max_bytes} bytes of picture are taken", reason="IMAGE_TOO_LARGE")
    return data


def own_key(url: str) -> str | None:
    """The object key that an address of ours ends in, or None."""
    try:
        path = urlsplit(url).path
    except ValueError:
        return None
    match = re.search(r"(?:^|/)(backgrounds/[^/]+)$", path)
    return match[1] if match and KEY.fullmatch(match[1]) else None


def _id(key: str) -> str:
    return key.partition("/")[2]


def _background(document: Document) -> Background:
    expires_at = document.expires_at or now()
    return Background(Asset.model_validate(document.body["asset"]), document.body["owner"], expires_at)
