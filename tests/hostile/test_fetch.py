"""Servers and name servers that attack whoever fetches a picture from them."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from fakes.http import Answer, HttpServer, Request

from imagegenservice.adapters.web import Fetcher, GuardedWeb
from imagegenservice.errors import FetchFailed, ImageGenError, Unavailable, UrlNotAllowed
from imagegenservice.url_guard import Target, UrlGuard

MOST = 1 << 20
NAME = "pictures.example.com"

Handler = Callable[[Request], Awaitable[Answer]]


@asynccontextmanager
async def web(port: int, *answers: str, guard: UrlGuard | None = None) -> AsyncIterator[GuardedWeb]:
    """Fetches from what its name server says, which is this host unless *answers* say otherwise."""
    asked = []

    async def resolve(target: Target) -> Sequence[str]:
        asked.append(target.host)
        assert len(asked) == 1, "a name is looked up once"
        return answers or ["127.0.0.1"]

    async with Fetcher.open(MOST) as fetcher:
        # Loopback stands for the internet here; what is public is the guard's own test.
        anywhere = UrlGuard([f"http://{NAME}:{port}/"], is_public=lambda _: True)
        yield GuardedWeb(fetcher, guard or anywhere, resolve)


async def fetched(handler: Handler) -> bytes:
    async with HttpServer(handler) as server:
        port = int(server.url.rpartition(":")[2])
        async with web(port) as fetching:
            return await fetching.fetch(f"http://{NAME}:{port}/x")


async def raw(*said: bytes, pause: float = 0.0) -> bytes | ImageGenError:
    """What comes of a server that says just this, the last of it again and again."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"".join(said))
            while True:
                writer.write(said[-1])
                await writer.drain()
                await asyncio.sleep(pause)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        async with web(port) as fetching:
            return await fetching.fetch(f"http://{NAME}:{port}/x")
    except ImageGenError as exc:
        return exc
    finally:
        server.close()


async def test_the_connection_goes_to_the_address_with_the_name_it_was_asked_for() -> None:
    seen: list[Request] = []

    async def handler(request: Request) -> Answer:
        seen.append(request)
        return Answer(200, b"picture", {"set-cookie": "a=b; path=/"})

    async with HttpServer(handler) as server:
        port = int(server.url.rpartition(":")[2])
        async with Fetcher.open(MOST) as fetcher:

            async def resolve(_: Target) -> Sequence[str]:
                return ["127.0.0.1"]

            guard = UrlGuard([f"http://{NAME}:{port}/"], is_public=lambda _: True)
            fetching = GuardedWeb(fetcher, guard, resolve)
            for _ in range(2):
                assert await fetching.fetch(f"http://{NAME}:{port}/x?y=%20") == b"picture"
    for request in seen:
        assert request.path == "/x?y=%20"
        assert request.headers["host"] == f"{NAME}:{port}"
        assert request.headers["accept-encoding"] == "identity"
        assert not {"cookie", "authorization", "traceparent", "baggage", "referer"} & request.headers.keys()


@pytest.mark.parametrize(
    "answers",
    [
        ["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["10.0.0.1", "8.8.8.8"], ["::1"], ["fe80::1%eth0"],
        ["fe80::1%2"],
        ["2606:4700::1%1"], ["::ffff:169.254.169.254"], ["2002:a9fe:a9fe::"], ["64:ff9b::a9fe:a9fe"],
        ["64:ff9b:1:7f00:0:100:808:808"], ["8.8.8.8", "::1"], ["192.88.99.1"], ["3fff::1"], ["nonsense"],
        [""],
        ["8.8.8.8", "nonsense"], ["0.0.0.0"], ["255.255.255.255"], ["224.0.0.1"], ["ff02::1"],
        ["::ffff:0:8.8.8.8"],
    ],
)  # fmt: skip
async def test_a_name_with_an_answer_inside_is_as_unknown_as_any_other(answers: list[str]) -> None:
    guard = UrlGuard([f"http://{NAME}:1/"])
    async with web(1, *answers, guard=guard) as fetching:
        with pytest.raises(UrlNotAllowed) as caught:
            await fetching.fetch(f"http://{NAME}:1/x")
    assert str(caught.value) == str(UrlNotAllowed())


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(status: int) -> None:
    asked = []

    async def handler(request: Request) -> Answer:
        asked.append(request.path)
        return Answer(status, b"", {"location": "/inside"})

    with pytest.raises(FetchFailed):
        await fetched(handler)
    assert asked == ["/x"]


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "zstd", "identity, gzip", "x"])
async def test_a_body_in_an_encoding_is_refused(encoding: str) -> None:
    async def handler(_: Request) -> Answer:
        return Answer(200, gzip.compress(bytes(MOST * 100)), {"content-encoding": encoding})

    with pytest.raises(FetchFailed, match="encoding"):
        await fetched(handler)


async def test_a_body_without_end_is_cut_off_at_the_limit() -> None:
    begin = time.monotonic()
    end = await raw(b"HTTP/1.1 200 OK\r\n\r\n", bytes(65536))
    assert isinstance(end, FetchFailed)
    assert end.reason == "FETCH_REFUSED"
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize(
    "said",
    [
        (b"HTTP/1.1 200 OK\r\n", b"x-a: " + b"b" * 4096 + b"\r\n"),
        (b"HTTP/1.1 200 OK\r\nx: ", b"a" * 65536),
        (b"H", b"T" * 65536),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"1;" + b"a" * 65536),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", b"x"),
        (b"HTTP/1.1 999999 OK\r\n\r\n", b"x"),
        (b"SSH-2.0-x\r\n", b"x" * 65536),
        (b"\x16\x03\x01", b"\x00"),
    ],
    ids=[
        "headers",
        "a header",
        "no line",
        "an extension",
        "gzip",
        "negative",
        "two lengths",
        "status",
        "ssh",
        "tls",
    ],
)
async def test_heads_without_end_or_sense_are_cut_off(said: tuple[bytes, ...]) -> None:
    begin = time.monotonic()
    assert isinstance(await raw(*said), (Unavailable, FetchFailed))
    assert time.monotonic() - begin < 5


async def test_a_byte_now_and_then_is_cut_off_in_time() -> None:
    begin = time.monotonic()
    ends = await asyncio.gather(
        raw(b"HTTP/1.1 200 OK\r\n\r\n", b"x", pause=0.2),
        raw(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n", pause=0.2),
        raw(b"", b"HTTP/1.1 100 Continue\r\n\r\n", pause=0.2),
    )
    assert [type(end) for end in ends] == [Unavailable] * 3
    assert time.monotonic() - begin < 10


async def test_a_name_server_that_does_not_answer_is_not_waited_for() -> None:
    async def never(_: Target) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    async with Fetcher.open(MOST) as fetcher:
        fetching = GuardedWeb(fetcher, UrlGuard([f"http://{NAME}/"]), never)
        begin = time.monotonic()
        with pytest.raises(Unavailable):
            await fetching.fetch(f"http://{NAME}/x")
    assert time.monotonic() - begin < 6
