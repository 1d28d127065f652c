"""python -m imagegenservice.demo: the real server with the sample shop, and a picture of its cart."""

from __future__ import annotations

import argparse
import asyncio
import base64
import signal
import socket
import sys
import time
from pathlib import Path

import grpc.aio
import httpx2

from ..__main__ import Running, drain, running
from ..app import DEMO
from ..errors import ConfigurationError, ImageGenError
from ..logs import configure_logging
from ..pb import imagegen_pb2 as pb
from ..pb import imagegen_pb2_grpc as pb_grpc
from ..settings import Settings, load
from . import pictures
from .shop import SHOPPER

STYLE = "casual"
BAR = 30


def settings_for_demo() -> Settings:
    """The environment's settings, with the sample shop, state in memory and ports that are free."""
    wanted = load()
    chosen: dict[str, object] = {
        "host": "127.0.0.1",
        "cart_service_addr": DEMO,
        "product_catalog_service_addr": DEMO,
        "port": _free(wanted.port),
        "http_port": _free(wanted.http_port),
    }
    chosen["state_store"] = wanted.state_store or "memory://"
    if not wanted.gcs_bucket:
        chosen["object_storage"] = wanted.object_storage or "memory://"
    return load(**chosen)


def _free(port: int) -> int:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return 0
    return port


async def make_picture(service: Running, target: Path) -> None:
    """Upload a background, order the cart's picture, follow it, and save it to *target*."""
    begin = time.perf_counter()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{service.grpc.port}") as channel:
        stub = pb_grpc.ImageGenerationServiceStub(channel)
        background = await _upload(stub)
        order = pb.GenerateCartImageRequest(
            user_id=SHOPPER, style_preference=STYLE, background_image_url=background, aspect_ratio="4:3"
        )
        ordered = await stub.GenerateCartImage(order)
        _say("ordered", f"generation {ordered.generation_id or '-'}: {ordered.status}")
        if ordered.status == "failed":
            raise ImageGenError(ordered.error_message)
        done = await _follow(stub, ordered.generation_id)
    if done.status != "completed":
        raise ImageGenError(done.error_message)
    async with httpx2.AsyncClient() as client:
        answer = (await client.get(done.image_url)).raise_for_status()
    await asyncio.to_thread(target.write_bytes, answer.content)
    _say("picture", str(target))
    _say("URL", done.image_url)
    _say("engine", done.engine)
    for failure in done.engine_failures:
        _say("not by", f"{failure.engine}: {failure.message}")
    _say("size", f"{done.width} x {done.height}, {len(answer.content) // 1024} kB")
    _say("time", f"{time.perf_counter() - begin:.1f} s from the upload to the file")


async def _upload(stub: pb_grpc.ImageGenerationServiceAsyncStub) -> str:
    data = base64.b64encode(pictures.background(pictures.BACKGROUNDS[0])).decode()
    answer = await stub.UploadBackground(pb.UploadBackgroundRequest(image_data=data, user_id=SHOPPER))
    if answer.status != "success":
        raise ImageGenError(answer.error_message)
    _say("uploaded", answer.image_url)
    return answer.image_url


async def _follow(stub: pb_grpc.ImageGenerationServiceAsyncStub, generation_id: str) -> pb.GetStatusResponse:
    latest = pb.GetStatusResponse()
    request = pb.WatchImageGenerationRequest(generation_id=generation_id, user_id=SHOPPER)
    async for latest in stub.WatchImageGeneration(request):
        filled = BAR * latest.progress // 100
        bar = "█" * filled + "░" * (BAR - filled)
        _say("progress", f"{bar} {latest.progress:3d} %  {latest.stage}", again=latest.status == "processing")
    return latest


def _say(what: str, text: str, *, again: bool = False) -> None:
    # In a terminal the progress stays on one line; in a log each step has its own.
    end = "\r" if again and sys.stdout.isatty() else "\n"
    print(
        f"  {what:<9} {text:<60}".rstrip() if end == "\n" else f"  {what:<9} {text:<60}", end=end, flush=True
    )


def next_steps(service: Running) -> str:
    """Lines to try in another terminal."""
    port = service.grpc.port
    name = "hipstershop.ImageGenerationService"
    order = f'{{"user_id": "{SHOPPER}", "style_preference": "luxury", "wait": "30s"}}'
    return "\n".join(
        (
            "",
            "  Try it by hand, in another terminal:",
            f"    .venv/bin/grpcurl -plaintext localhost:{port} describe {name}",
            f"    .venv/bin/grpcurl -plaintext -d '{order}' \\",
            f"      localhost:{port} {name}/GenerateCartImage",
            """    .venv/bin/grpcurl -plaintext -d '{"generation_id": "…"}' \\""",
            f"      localhost:{port} {name}/GetImageGenerationStatus",
            f"    .venv/bin/grpcurl -plaintext localhost:{port} grpc.health.v1.Health/Check",
            f"    curl http://127.0.0.1:{service.http_port}/metrics",
        )
    )


async def demo(settings: Settings, target: Path, *, once: bool) -> None:
    """Make one picture, then serve on until Ctrl-C, unless *once*."""
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with running(settings) as service:
        print(
            f"imagegenservice: gRPC on 127.0.0.1:{service.grpc.port}, HTTP on 127.0.0.1:{service.http_port}"
        )
        await make_picture(service, target)
        if not once:
            print(next_steps(service), "\n\n  Serving until Ctrl-C.", flush=True)
            await stop.wait()
        await drain(service, settings)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m imagegenservice.demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end after the picture")
    parser.add_argument("--out", type=Path, default=Path("demo-picture.jpg"), help="where the picture goes")
    arguments = parser.parse_args()
    configure_logging("WARNING")
    try:
        asyncio.run(demo(settings_for_demo(), arguments.out.absolute(), once=arguments.once))
    except (ConfigurationError, OSError) as exc:
        sys.exit(f"imagegenservice: {exc}")
    except ImageGenError as exc:
        sys.exit(f"the picture could not be made: {exc}")


if __name__ == "__main__":
    main()
