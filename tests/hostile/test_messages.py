"""Ten thousand broken messages: each gets an answer that is documented, and the service goes on."""

from __future__ import annotations

import asyncio
import logging
import random
import re
from collections import Counter
from collections.abc import Callable, Sequence

import grpc
import pytest
from fakes.gemini import FakeGemini
from fakes.service import CUP, VASE, Service, base64_of, duration, order, photo, serving

from imagegenservice.pb import imagegen_pb2 as pb

EACH = 2000
"""Messages for each of the five methods."""
AT_ONCE = 24
CODES = {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED}
ANSWERS: dict[
    str, type[pb.GenerateCartImageResponse | pb.UploadBackgroundResponse | pb.GetStatusResponse]
] = {
    "GenerateCartImage": pb.GenerateCartImageResponse,
    "UploadBackground": pb.UploadBackgroundResponse,
}
STATUSES = {"processing", "completed", "failed", "not_found", "success"}

Mutate = Callable[[random.Random, bytes], bytes]


def flip(dice: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(dice.randint(1, 8)):
        changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def cut(dice: random.Random, data: bytes) -> bytes:
    return data[: dice.randrange(len(data))]


def insert(dice: random.Random, data: bytes) -> bytes:
    at = dice.randrange(len(data) + 1)
    return data[:at] + dice.randbytes(dice.randint(1, 16)) + data[at:]


def repeat(dice: random.Random, data: bytes) -> bytes:
    begin = dice.randrange(len(data))
    part = data[begin : begin + dice.randint(1, 64)]
    return data[:begin] + part * dice.randint(2, 50) + data[begin:]


def field(dice: random.Random, data: bytes) -> bytes:
    """A field of any number and wire type, the reserved ones included."""
    tag = dice.choice([0, 1, 2, 3, 4, 10, 11, 12, 13, 14, 15, 536870911]) << 3 | dice.randrange(8)
    return data + varint(tag) + dice.randbytes(dice.randint(0, 12))


def length(dice: random.Random, data: bytes) -> bytes:
    """A string that says it is longer than it is, up to 2^64."""
    return data + b"\x0a" + varint(dice.choice([1, 127, 2**31, 2**32 - 1, 2**63, 2**64 - 1])) + b"x"


def nest(dice: random.Random, data: bytes) -> bytes:
    """Groups in groups, or messages in messages, deeper than any parser likes."""
    depth = dice.choice([10, 99, 101, 1000, 20000])
    return data + dice.choice([b"\x0b", b"\x22\x7f", b"\xa3\x06"]) * depth


def text(dice: random.Random, data: bytes) -> bytes:
    """Strings that are no UTF-8, or no text."""
    odd = [
        b"\xff",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xe2\x80",
        b"\0",
        b"\r\n",
        b"\x1b[2J",
    ]
    value = dice.choice([*odd, "\u202e\U000e0041".encode(), b"../../x", b"%s%n", b"A" * 70_000])
    return data + varint(dice.choice([1, 2, 3, 10]) << 3 | 2) + varint(len(value)) + value


def noise(dice: random.Random, data: bytes) -> bytes:
    return dice.randbytes(dice.randint(0, 200))


MUTATIONS: Sequence[Mutate] = (flip, cut, insert, repeat, field, length, nest, text, noise)


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def seeds(generation: str) -> dict[str, bytes]:
    """A sound message for each method."""
    full = order(
        CUP, VASE, user_id="ann", style_preference="luxury", background_image_url="https://x.test/y.jpg",
        aspect_ratio="4:3", seed=7, idempotency_key="key",
    )  # fmt: skip
    full.wait.CopyFrom(duration(0.01))
    named = {"generation_id": generation, "user_id": "ann"}
    return {
        "GenerateCartImage": full.SerializeToString(),
        "UploadBackground": pb.UploadBackgroundRequest(
            image_data=base64_of(photo(16, 16)), user_id="ann"
        ).SerializeToString(),
        "GetImageGenerationStatus": pb.GetStatusRequest(**named).SerializeToString(),
        "WatchImageGeneration": pb.WatchImageGenerationRequest(**named, from_revision=1).SerializeToString(),
        "CancelImageGeneration": pb.CancelImageGenerationRequest(**named).SerializeToString(),
    }


async def code_of(service: Service, method: str, data: bytes) -> tuple[grpc.StatusCode, str]:
    """What it answers, with the status of its last message."""
    path = f"/hipstershop.ImageGenerationService/{method}"
    try:
        if method.startswith("Watch"):
            call = service.channel.unary_stream(path)(data, timeout=20)
            last = [b"", *[message async for message in call]][-1]
        else:
            last = await service.channel.unary_unary(path)(data, timeout=20)
    except grpc.aio.AioRpcError as exc:
        telling = re.search("traceback|protobuf|exception|error", exc.details() or "", re.IGNORECASE)
        return exc.code(), "telling" if telling else ""
    return grpc.StatusCode.OK, ANSWERS.get(method, pb.GetStatusResponse).FromString(last).status


async def test_no_message_gets_an_answer_that_is_not_documented(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    async with FakeGemini(mode="hang") as gemini:
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", gemini.url)
        settings = {"image_models": ("gemini://",), "gemini_api_key": gemini.key, "queue_size": 20}
        async with serving(**settings) as service:
            generation = (await service.generate(CUP, user_id="ann")).generation_id
            await service.cancel(generation, "ann")
            found = await send(service, generation)
            assert await service.health() == "SERVING"
            assert (await service.status(generation, "ann")).error_reason == "CANCELLED"
    assert sum(found.values()) == 5 * EACH
    assert "telling" not in {status for _, _, status in found}
    assert {code for _, code, _ in found} <= CODES
    answered = {(method, status) for method, code, status in found if code is grpc.StatusCode.OK}
    # Of revisions that are yet to come a watch of what is finished has nothing to say.
    assert {status for _, status in answered - {("WatchImageGeneration", "")}} <= STATUSES
    assert not [record for record in caplog.records if record.name.startswith(("imagegenservice", "grpc"))]
    for method in seeds(""):
        assert found[(method, grpc.StatusCode.INVALID_ARGUMENT, "")] > EACH // 10
        assert sum(n for (name, code, _), n in found.items() if (name, code) == (method, grpc.StatusCode.OK))


async def send(service: Service, generation: str) -> Counter[tuple[str, grpc.StatusCode, str]]:
    dice = random.Random(20261121)
    whole = seeds(generation)
    work = [
        (method, dice.choice(MUTATIONS)(dice, dice.choice([whole[method]] * 4 + list(whole.values()))))
        for method in whole
        for _ in range(EACH)
    ]
    dice.shuffle(work)
    found: Counter[tuple[str, grpc.StatusCode, str]] = Counter()
    rest = iter(work)

    async def sender() -> None:
        for method, data in rest:
            found[(method, *await code_of(service, method, data))] += 1

    await asyncio.gather(*(sender() for _ in range(AT_ONCE)))
    return found
