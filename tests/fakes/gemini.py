"""
A Gemini on the wire: both of its APIs, with every outcome, and a ledger of what it would bill.

As a process: python -m tests.fakes.gemini --port 0 --ledger F --mode ok. It prints its URL.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import json
import os
import re
from collections import deque
from collections.abc import Iterable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from .gemini_modes import JOB, MODES, Asked, error
from .http import Answer, HttpServer, Request

GEMINI_API = re.compile(r"/v1/models/([\w.-]+):generateContent")
VERTEX = re.compile(
    r"/v1beta1/projects/([\w-]+)/locations/([\w-]+)/publishers/google/models/([\w.-]+):generateContent"
)
# As these models are said to answer: no such size, no such knob.
STRICT = "gemini-nano-banana-2.1"


@dataclass(frozen=True)
class Seen:
    """A request that came in, with the mode it was answered in."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    asked: Asked
    mode: str


def service_account(folder: Path) -> Path:
    """A credentials file as Google hands them out; its token_uri leads nowhere yet."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    info = {"type": "service_account", "project_id": "unused", "private_key_id": "1"}
    info |= {"private_key": pem.decode(), "client_email": "robot@unused.iam.gserviceaccount.com"}
    info |= {"client_id": "1", "token_uri": "http://127.0.0.1:1/token"}
    path = folder / "service-account.json"
    path.write_text(json.dumps(info))
    return path


class FakeGemini:
    """
    Answers in the modes that stand in `modes`, one request each, then in `mode`.

    "hang" and "hang,ok" wait for `release` first, and set `hung_up` when the client does not wait that long;
    a hanging request is in `requests` already.
    """

    def __init__(
        self,
        *,
        key: str = "the-right-key",
        mode: str = "ok",
        modes: Iterable[str] = (),
        ledger: Path | None = None,
        delay: float = 0.0,
        port: int = 0,
    ) -> None:
        self.key = key
        self.token = "the-right-token"
        self.mode = mode
        self.modes = deque(modes)
        self.requests: list[Seen] = []
        self.tokens_given = 0
        self.token_status = 200
        self.release = asyncio.Event()
        self.hung_up = asyncio.Event()
        self._arrival = asyncio.Condition()
        self._ledger = ledger
        self._delay = delay
        self._server = HttpServer(self._handle, port)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._server)
        self.url = self._server.url
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def arrived(self, count: int) -> None:
        """Wait until so many requests have come in."""
        async with self._arrival:
            await self._arrival.wait_for(lambda: len(self.requests) >= count)

    def credentials(self, account: Path) -> Path:
        """The service account *account* with its tokens from here, for GOOGLE_APPLICATION_CREDENTIALS."""
        path = account.with_suffix(f".{self.url.rpartition(':')[2]}")
        path.write_text(json.dumps(json.loads(account.read_text()) | {"token_uri": f"{self.url}/token"}))
        return path

    async def _handle(self, request: Request) -> Answer:
        if request.path == "/token":
            if self.token_status != 200:
                return error(self.token_status, "UNAVAILABLE", "no tokens today")
            self.tokens_given += 1
            return Answer.of_json({"access_token": self.token, "expires_in": 3600, "token_type": "Bearer"})
        if request.path == "/_fake/release":
            self.release.set()
            return Answer()
        if request.path == "/_fake/modes":
            self.modes.extend(json.loads(request.body))
            return Answer()
        if request.path == "/_fake/requests":
            return Answer.of_json([{"path": seen.path, "mode": seen.mode} for seen in self.requests])
        return await self._generate(request)

    async def _generate(self, request: Request) -> Answer:
        dev, vertex = GEMINI_API.fullmatch(request.path), VERTEX.fullmatch(request.path)
        if request.method != "POST" or not (dev or vertex):
            return error(404, "NOT_FOUND", "no such method")
        model = dev[1] if dev else vertex[3] if vertex else ""
        body = json.loads(request.body)
        asked = _understand(model, body)
        mode = self.modes.popleft() if self.modes else self.mode
        if dev and request.headers.get("x-goog-api-key") != self.key:
            mode = "400-key"
        if vertex and request.headers.get("authorization") != f"Bearer {self.token}":
            mode = "401"
        if complaint := _complaint(asked):
            return error(400, "INVALID_ARGUMENT", complaint)
        self._bill(asked, mode, request.body)
        async with self._arrival:
            self.requests.append(Seen(request.path, dict(request.headers), body, asked, mode))
            self._arrival.notify_all()
        return await self._answer(asked, mode)

    async def _answer(self, asked: Asked, mode: str) -> Answer:
        if self._delay:
            await asyncio.sleep(self._delay)
        if mode.startswith("hang"):
            try:
                await self.release.wait()
            except asyncio.CancelledError:
                self.hung_up.set()
                raise
            mode = mode.partition(",")[2] or "ok"
        name, _, argument = mode.partition(":")
        return await asyncio.to_thread(MODES[name], asked, argument)

    def _bill(self, asked: Asked, mode: str, body: bytes) -> None:
        """Written down, and on the disk, before anything is answered; with the job that it names."""
        if self._ledger is None:
            return
        billed = not re.match(r"half-503|[3-5]\d\d|error-", mode)
        digest = hashlib.sha256(body).hexdigest()
        job = JOB.search(" ".join(asked.texts))
        line = json.dumps(
            {
                "n": len(self.requests) + 1,
                "model": asked.model,
                "mode": mode,
                "billed": billed,
                "body": digest,
            }
            | ({"job": job[0]} if job else {})
        )
        with self._ledger.open("a") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())


def _understand(model: str, body: dict[str, Any]) -> Asked:
    texts, images = [], []
    for part in body["contents"][0]["parts"]:
        if "text" in part:
            texts.append(part["text"])
        else:
            # The SDK writes mime_type in snake case below inlineData, and the URL-safe alphabet.
            blob = part["inlineData"]
            assert (blob.get("mime_type") or blob["mimeType"]).startswith("image/")
            images.append(base64.b64decode(blob["data"], altchars=b"-_", validate=True))
    return Asked(model, texts, images, body.get("generationConfig", {}))


def _complaint(asked: Asked) -> str:
    generation = asked.generation
    if generation.get("responseModalities") != ["IMAGE"] or generation.get("candidateCount", 1) != 1:
        return "this fake draws one picture"
    if len(asked.images) > 14:
        return "too many pictures"
    if asked.model == STRICT and generation.get("imageConfig", {}).get("imageSize") == "512":
        return "no such size"
    if asked.model == STRICT and {"seed", "temperature", "topP"} & generation.keys():
        return "no such knob"
    return ""


async def _serve(arguments: argparse.Namespace) -> None:
    *modes, mode = arguments.mode.split("+")
    chosen = {name: getattr(arguments, name) for name in ("key", "ledger", "delay", "port")}
    async with FakeGemini(mode=mode, modes=modes, **chosen) as fake:
        print(fake.url, flush=True)  # noqa: T201 - whoever starts it reads its address
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A Gemini on the wire.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key", default="the-right-key")
    parser.add_argument("--ledger", type=Path)
    parser.add_argument("--mode", default="ok", help="one mode, or several joined by +; the last one stays")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(parser.parse_args()))
