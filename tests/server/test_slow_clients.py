"""Clients that say nothing, say it slowly, or do not listen: each is dropped, and nobody else notices."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
from conftest import Start
from fakes import h2
from fakes.gemini import FakeGemini
from fakes.patience import until
from fakes.service import CUP, Service
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from imagegenservice.pb import imagegen_pb2 as pb
from imagegenservice.servers import grpc_server, http_server
from imagegenservice.servers.admission import Admission, Bounds
from imagegenservice.servers.http_admission import HttpAdmission
from imagegenservice.servers.http_protocol import BoundedProtocol
from imagegenservice.telemetry import Metrics

HASTY = Bounds(uploads=1, turn=0.4, arrival=0.5, reading=0.5)
SERVICE = "/hipstershop.ImageGenerationService"


@asynccontextmanager
async def hasty(service: Service) -> AsyncIterator[tuple[int, Admission]]:
    """Another door of the same service, with little patience; gives its port."""
    admission = Admission(HASTY, Metrics())
    core = service.running.app.core
    async with grpc_server.serve(
        core, admission, "127.0.0.1", 0, max_upload_bytes=1 << 20, reflect=False
    ) as server:
        yield server.port, admission


async def soon_empty(admission: Admission, kind: str) -> None:
    await until(lambda: not admission.here(kind), 5)


async def status_of(connection: h2.Connection) -> bytes:
    """The trailers of the call."""
    while not (found := await connection.until(h2.HEADERS)).flags & h2.END_STREAM:
        pass
    return found.body


async def test_a_request_that_does_not_arrive_in_time_ends_and_frees_its_place(service: Service) -> None:
    async with hasty(service) as (port, admission), h2.opened(port) as connection:
        connection.send(
            h2.frame(h2.HEADERS, h2.END_HEADERS, 1, h2.head(f"{SERVICE}/UploadBackground")),
            h2.frame(h2.DATA, 0, 1, h2.message(bytes(1000))[:500]),
        )
        async with asyncio.timeout(5):
            assert b"arrive" in await status_of(connection)
        assert admission.here("upload") == 0


async def test_an_upload_whose_turn_does_not_come_is_refused(service: Service) -> None:
    async with hasty(service) as (port, admission), h2.opened(port) as connection:
        begin = time.monotonic()
        for stream in (1, 3):
            connection.send(
                h2.frame(h2.HEADERS, h2.END_HEADERS, stream, h2.head(f"{SERVICE}/UploadBackground"))
            )
        async with asyncio.timeout(5):
            assert b"Too much is going on" in await status_of(connection)
            assert b"arrive" in await status_of(connection)
        assert time.monotonic() - begin < 3
        assert admission.here("upload") == 0


async def test_a_watch_that_nobody_reads_is_dropped_with_a_code(gemini: FakeGemini, start: Start) -> None:
    gemini.mode = "hang"
    service = await start(image_models=("gemini://",), gemini_api_key=gemini.key)
    generation = (await service.generate(CUP)).generation_id
    request = pb.WatchImageGenerationRequest(generation_id=generation).SerializeToString()
    async with hasty(service) as (port, admission), h2.opened(port, window=0) as connection:
        connection.send(
            h2.frame(h2.HEADERS, h2.END_HEADERS, 1, h2.head(f"{SERVICE}/WatchImageGeneration")),
            h2.frame(h2.DATA, h2.END_STREAM, 1, h2.message(request)),
        )
        await until(lambda: admission.here("stream"), 5)
        await soon_empty(admission, "stream")
        # What it is told as soon as it reads again.
        connection.send(h2.frame(h2.WINDOW, 0, 1, struct.pack(">I", 1 << 20)))
        async with asyncio.timeout(5):
            assert b"Too much is going on" in await status_of(connection)
        assert not service.running.app.core.generator._bulletin._topics, "nobody watches any more"


async def test_unary_callers_that_never_read_hold_no_place(service: Service) -> None:
    async with hasty(service) as (port, admission), h2.opened(port, window=0) as connection:
        request = pb.GetStatusRequest(generation_id="0" * 32).SerializeToString()
        for stream in range(1, 200, 2):
            connection.send(
                h2.frame(h2.HEADERS, h2.END_HEADERS, stream, h2.head(f"{SERVICE}/GetImageGenerationStatus")),
                h2.frame(h2.DATA, h2.END_STREAM, stream, h2.message(request)),
            )
        async with asyncio.timeout(5):
            await connection.until(h2.HEADERS)
        await soon_empty(admission, "call")


async def test_a_thousand_resets_in_a_row_harm_nobody(service: Service) -> None:
    request = h2.message(pb.GetStatusRequest(generation_id="0" * 32).SerializeToString())
    async with h2.opened(service.running.grpc.port) as connection:
        for stream in range(1, 2001, 2):
            connection.send(
                h2.frame(h2.HEADERS, h2.END_HEADERS, stream, h2.head(f"{SERVICE}/GetImageGenerationStatus")),
                h2.frame(h2.DATA, h2.END_STREAM, stream, request),
                h2.frame(h2.RESET, 0, stream, struct.pack(">I", 8)),
            )
        assert await service.health() == "SERVING"
        assert (await service.status("0" * 32)).status == "not_found"
    await soon_empty(service.running.admission, "call")


async def test_a_flood_of_pings_ends_the_connection(service: Service) -> None:
    async with h2.opened(service.running.grpc.port) as connection:
        connection.send(*(h2.frame(h2.PING, 0, 0, bytes(8)) for _ in range(100)))
        async with asyncio.timeout(5):
            away = await connection.until(h2.GOAWAY)
            assert b"too_many_pings" in away.body
            await connection.hung_up()


async def test_connections_that_never_say_anything_are_closed_by_both_doors(service: Service) -> None:
    grpc_port, begin = service.running.grpc.port, time.monotonic()

    async def silent(port: int, said: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(said)
        try:
            while await reader.read(1 << 16):
                pass
        except ConnectionError:
            pass
        finally:
            writer.close()

    async with asyncio.timeout(20):
        await asyncio.gather(
            *(silent(port, b"") for port in (grpc_port, service.http_port) for _ in range(20)),
            silent(service.http_port, b"GET /pictures/x.jpg HTTP/1.1\r\nhost: x\r\nx-slow: "),
            silent(grpc_port, h2.PREFACE[:10]),
        )
    assert time.monotonic() - begin > 5
    assert await service.health() == "SERVING"


class Hasty(BoundedProtocol):
    head_within = 0.4
    read_within = 0.4


async def echo(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


async def large(_: Request) -> Response:
    return Response(bytes(32 << 20))


async def small(_: Request) -> Response:
    return Response(b"ok")


@asynccontextmanager
async def http() -> AsyncIterator[int]:
    routes = [Route("/echo", echo, methods=["POST"]), Route("/large", large), Route("/small", small)]
    pages = HttpAdmission(Starlette(routes=routes), Admission(HASTY, Metrics()), exempt=())
    async with http_server.serve(pages, "127.0.0.1", 0, Hasty) as port:
        yield port


async def test_a_head_that_drips_in_is_cut_off() -> None:
    for said in (b"", b"GET /small HTTP/1.1\r\nhost: x\r\n\r\n"):
        async with http() as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(said)
            begin = time.monotonic()
            try:
                while time.monotonic() - begin < 5 and not reader.at_eof():
                    writer.write(b"GET / HTTP/1.1\r\n" if time.monotonic() - begin < 0.05 else b"x-a: b\r\n")
                    await asyncio.sleep(0.1)
                    await asyncio.wait_for(writer.drain(), 1)
            except ConnectionError:
                pass
            assert time.monotonic() - begin < 4
            writer.close()


async def test_a_body_that_drips_in_is_cut_off() -> None:
    async with http() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nabc")
        begin = time.monotonic()
        async with asyncio.timeout(5):
            await reader.read()
        assert time.monotonic() - begin < 4
        writer.close()


def read_late(port: int) -> int:
    """Ask for much, read it much later; gives how many bytes came."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as slow:
        slow.sendall(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n")
        time.sleep(1.5)
        got = 0
        try:
            while chunk := slow.recv(1 << 20):
                got += len(chunk)
        except ConnectionError:
            pass
        return got


async def test_a_client_that_does_not_read_a_picture_is_cut_off() -> None:
    async with http() as port:
        assert await asyncio.to_thread(read_late, port) < 32 << 20


async def test_a_client_that_reads_gets_all_of_it() -> None:
    async with http() as port, httpx2.AsyncClient() as client:
        assert len((await client.get(f"http://127.0.0.1:{port}/large")).content) == 32 << 20
        assert (await client.post(f"http://127.0.0.1:{port}/echo", content=bytes(100_000))).text == "100000"


async def test_a_head_of_megabytes_is_refused() -> None:
    async with http() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /small HTTP/1.1\r\nhost: x\r\n" + b"x-a: " + b"b" * 100_000)
        async with asyncio.timeout(5):
            assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
        writer.close()
