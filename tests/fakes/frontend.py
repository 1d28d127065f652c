"""The shop's frontend, as far as it serves the products' pictures, in every mood."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from typing import Self

from imagegenservice.demo import pictures
from imagegenservice.demo.products import PRODUCTS

from .http import Answer, HttpServer, Request

JPEG = {"content-type": "image/jpeg"}


class FakeFrontend:
    """
    `modes` maps a path to how it is answered; `mode` is for all others.

    ok, 404, 500, redirect, huge, truncated, drop, html, "" (nothing in the body), and hang: wait for
    `release` first. `asked` counts the requests of each path.
    """

    def __init__(self, port: int = 0) -> None:
        self.mode = "ok"
        self._port = port
        self.modes: dict[str, str] = {}
        self.extra: dict[str, bytes] = {}
        self.asked: Counter[str] = Counter()
        self.release = asyncio.Event()
        self.arrived = asyncio.Event()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self.url = (await self._stack.enter_async_context(HttpServer(self._answer, self._port))).url
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _answer(self, request: Request) -> Answer:
        self.asked[request.path] += 1
        self.arrived.set()
        mode = self.modes.get(request.path, self.mode)
        if mode == "hang":
            await self.release.wait()
        return _spoiled(mode, self._picture(request.path))

    def _picture(self, path: str) -> Answer:
        if path in self.extra:
            return Answer(200, self.extra[path], JPEG)
        for product in PRODUCTS:
            if product.picture == path:
                return Answer(200, pictures.jpeg(product.id), JPEG)
        return Answer(404, b"no such picture")


def _spoiled(mode: str, whole: Answer) -> Answer:
    return {
        "404": Answer(404),
        "500": Answer(500, b"SECRET-STACK"),
        "redirect": Answer(302, b"", {"location": "/elsewhere.jpg"}),
        "huge": Answer(200, whole.body + bytes(11 * 1024 * 1024), JPEG),
        "truncated": Answer(200, whole.body, JPEG, sent=len(whole.body) // 2),
        "drop": Answer(sent=-1),
        "html": Answer(200, b"<html>not a picture</html>", {"content-type": "text/html"}),
        "empty": Answer(200, b"", JPEG),
    }.get(mode, whole)
