"""What callers say in every field, header and path of both doors never comes out where it does not belong."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import grpc
import httpx2
from fakes.collector import FakeCollector
from fakes.gemini import FakeGemini
from fakes.process import Replica, replica
from fakes.service import CUP, base64_of, order

from imagegenservice.pb import imagegen_pb2 as pb

CANARY = "canary-7f3a"
NASTY = f"{CANARY}\r\n\x1b[2J%s${{jndi:ldap://{CANARY}}}\u202e"
METADATA = (
    ("authorization", f"Bearer {CANARY}"),
    ("cookie", f"session={CANARY}"),
    ("x-request-id", f"{CANARY} {CANARY}"),
    ("traceparent", f"00-{CANARY}-x-01"),
    ("tracestate", f"{CANARY}={CANARY}"),
    ("baggage", f"user={CANARY}"),
    ("user-agent", CANARY),
)
SERVICE = "/hipstershop.ImageGenerationService"


def requests() -> dict[str, list[bytes]]:
    """Messages to each method with the canary wherever it can stand, sound and broken."""
    orders = [
        order(CUP, user_id=NASTY, style_preference=NASTY[:60]),
        order(CUP, user_id=NASTY, idempotency_key=CANARY),
        order(CUP, idempotency_key=NASTY),
        order(CUP, aspect_ratio=NASTY),
        order(CUP, background_image_url=f"https://{CANARY}.example/x?X-Goog-Signature={CANARY}"),
        order(CUP, background_image_url=f"http://x.test/backgrounds/{CANARY}.jpg"),
        order(NASTY),
        order(CANARY),
        order(CUP, user_id=CANARY * 100),
    ]
    uploads = [
        pb.UploadBackgroundRequest(image_data=text, user_id=NASTY)
        for text in (NASTY, base64_of(NASTY.encode()))
    ]
    named = {"generation_id": CANARY, "user_id": NASTY}
    sound = {
        "GenerateCartImage": [request.SerializeToString() for request in orders],
        "UploadBackground": [request.SerializeToString() for request in uploads],
        "GetImageGenerationStatus": [pb.GetStatusRequest(**named).SerializeToString()],
        "CancelImageGeneration": [pb.CancelImageGenerationRequest(**named).SerializeToString()],
    }
    broken = [b"\x0a\xff" + CANARY.encode(), b"\x0a\x10\xff" + CANARY.encode(), b"\xff" + CANARY.encode()]
    return {method: [*messages, *broken] for method, messages in sound.items()}


async def say_everything(service: Replica) -> list[str]:
    """What came back with an error, and with an answer beside the fields that quote a field by its name."""
    heard = []
    for method, messages in requests().items():
        for data in messages:
            try:
                await service.channel.unary_unary(f"{SERVICE}/{method}")(data, metadata=METADATA, timeout=20)
            except grpc.aio.AioRpcError as exc:
                heard.append(f"{exc.details()} {exc.trailing_metadata()}")
    with suppress(grpc.aio.AioRpcError):
        await service.channel.unary_unary(f"{SERVICE}/{CANARY}")(
            CANARY.encode(), metadata=METADATA, timeout=20
        )
    async with httpx2.AsyncClient() as client:
        for path in (
            f"/{CANARY}",
            f"/pictures/{CANARY}.jpg",
            f"/backgrounds/{CANARY}?token={CANARY}",
            f"/healthz?{CANARY}",
        ):
            page = await client.get(
                f"{service.http}{path}", headers={"cookie": CANARY, "x-forwarded-for": CANARY}
            )
            heard.append(f"{page.headers} {page.text}")
    return heard


async def test_what_callers_say_stays_out_of_logs_metrics_traces_and_errors(tmp_path: Path) -> None:
    async with FakeCollector().opened() as collector, FakeGemini(key=f"{CANARY}-key") as gemini:
        gemini.modes.extend(["400-key", "503", "text-only", "drop"])
        settings = {
            "ENABLE_TRACING": "1",
            "COLLECTOR_SERVICE_ADDR": collector.address,
            "LOG_LEVEL": "DEBUG",
            "IMAGE_MODELS": "gemini://?retries=0,compositor://",
            "GEMINI_API_KEY": gemini.key,
            "GOOGLE_GEMINI_BASE_URL": gemini.url,
            "OWNER_HASH_KEY": f"{CANARY}-hash",
            "STATE_STORE": "memory://",
            "OBJECT_STORAGE": "memory://",
            "BACKGROUND_URL_ALLOWLIST": "http://127.0.0.1.nip.example/x/",
            "DATA_DIR": str(tmp_path),
        }
        async with replica(**settings) as service:
            heard = await say_everything(service)
            drawn = await service.generate(CUP, wait=20, seed=1, user_id=NASTY, style_preference=CANARY)
            assert drawn.status == "completed"
            async with httpx2.AsyncClient() as client:
                page = (await client.get(f"{service.http}/metrics")).text
            service.process.process.terminate()
            assert await service.process.ended() == 0
        traces = "".join(map(str, collector.requests))
    log = "\n".join(map(json.dumps, service.process.lines)) + service.process.errors.decode()
    places = {"log": log, "metrics": page, "traces": traces, "errors": "\n".join(heard)}
    assert "MALFORMED_MESSAGE" in log
    assert 'code="INVALID_ARGUMENT"' in page
    assert "UploadBackground" in traces
    for place, text in places.items():
        for canary in (CANARY, base64_of(NASTY.encode())[:16], "jndi", "\x1b"):
            found = text.find(canary)
            assert found < 0, (place, text[max(0, found - 300) : found + 100])
