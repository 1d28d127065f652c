"""python -m imagegenservice: serve until Kubernetes asks us to stop."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from . import failpoints
from .app import App, open_app
from .errors import ConfigurationError, ImageGenError
from .logs import configure_logging
from .servers import grpc_server, http_server
from .servers.admission import Admission, Bounds
from .settings import Settings, load
from .telemetry import open_tracing

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Running:
    """The service with its doors open."""

    app: App
    grpc: grpc_server.GrpcServer
    http_port: int
    readiness: http_server.Readiness
    admission: Admission


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Running]:
    """Serve on both ports for the time of the block. Raises ConfigurationError, Unavailable, OSError."""
    async with open_tracing(settings), open_app(settings) as app:
        core = app.core
        readiness = http_server.Readiness()
        admission = Admission(Bounds.of(settings), core.metrics)
        pages = http_server.application(core.gallery, core.metrics, readiness, app.neighbours, admission)
        async with http_server.serve(pages, settings.host, settings.http_port) as http_port:
            if not settings.public_url:
                core.gallery.public_url = f"http://127.0.0.1:{http_port}"
            async with grpc_server.serve(
                core,
                admission,
                settings.host,
                settings.port,
                max_upload_bytes=settings.max_upload_bytes,
                reflect=settings.enable_reflection,
            ) as server:
                log.info("serving", extra={"grpc_port": server.port, "http_port": http_port})
                yield Running(app, server, http_port, readiness, admission)


async def drain(service: Running, settings: Settings) -> None:
    """NOT_SERVING first; then finish what is being drawn, or hand it back, within the settings' seconds."""
    log.info("draining")
    service.readiness.ready = False
    await service.grpc.refuse()
    await asyncio.sleep(settings.drain_delay)
    clock = asyncio.get_running_loop()
    end = clock.time() + settings.drain_timeout
    # Calls may last a little longer than drawings: they are told what became of theirs.
    stopping = asyncio.create_task(service.grpc.stop(settings.drain_timeout + 5))
    await service.app.core.generator.settle()
    failpoints.crash_at("draining")
    await service.app.studio.drain(max(0.0, end - clock.time()))
    failpoints.crash_at("handed-back")
    # Whoever still watches a generation that was handed back is better off with another replica.
    service.app.core.generator.dismiss()
    await asyncio.wait({stopping}, timeout=2)
    await service.grpc.stop(0)
    await stopping
    log.info("drained")


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with running(settings) as service:
        # What is here now stays: the collector need not look through it again and again.
        gc.collect()
        gc.freeze()
        await stop.wait()
        await drain(service, settings)


def _secrets(settings: Settings) -> list[str]:
    return [secret.get_secret_value() for secret in (settings.gemini_api_key, settings.owner_hash_key)]


def run() -> None:
    """The command. A wrong setting is one line and exit code 2."""
    arguments = sys.argv[1:]
    try:
        settings = load()
        failpoints.arm(settings.imagegen_crash_at)
        configure_logging(settings.log_level, project_id=settings.project_id, secrets=_secrets(settings))
        if not arguments or arguments == ["serve"]:
            asyncio.run(serve(settings))
        else:
            sys.exit("usage: python -m imagegenservice [serve]")
    except (ConfigurationError, OSError) as exc:
        print(f"imagegenservice: {exc}", file=sys.stderr)
        sys.exit(2)
    except ImageGenError as exc:
        print(f"imagegenservice: {exc}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    run()
