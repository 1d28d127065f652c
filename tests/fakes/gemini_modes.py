"""What the fake Gemini answers, one function for each outcome that the API's reference knows."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from .http import Answer

JOB = re.compile(r"job-([0-9a-f]{12})")
"""How a test may name its order, in the style."""
SIDES = {"512": 512, "1K": 1024, "2K": 2048, "4K": 4096}


@dataclass(frozen=True)
class Asked:
    """A request as the model understands it."""

    model: str
    texts: Sequence[str]
    images: Sequence[bytes]
    generation: dict[str, Any]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, near to the area of a square of the size asked for, in steps of 16."""
        config = self.generation.get("imageConfig", {})
        across, down = map(int, config.get("aspectRatio", "1:1").split(":"))
        side = SIDES[config.get("imageSize", "1K")]
        stretch = (across / down) ** 0.5
        return 16 * round(side * stretch / 16), 16 * round(side / stretch / 16)


def draw(asked: Asked, *, noise: bool = False) -> bytes:
    """A PNG with a band in the mean colour of each input picture; grey without any."""
    width, height = asked.size
    if noise:
        pixels = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
        # Noise in a few colours only: about 1 MB at 1024 px.
        return _png(pixels // 16 * 16)
    means = [np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).mean((0, 1)) for data in asked.images]
    rows = np.array(means or [[128, 128, 128]], np.uint8)
    pixels = rows[np.arange(height) * len(rows) // height][:, None].repeat(width, 1)
    if job := JOB.search(" ".join(asked.texts)):
        # So that no two jobs have one picture.
        pixels[-64:] = list(bytes.fromhex(job[1])[:3])
    return _png(pixels)


def _png(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", compress_level=1)
    return out.getvalue()


def image_part(data: bytes, media_type: str = "image/png") -> dict[str, Any]:
    return {"inlineData": {"mimeType": media_type, "data": base64.b64encode(data).decode()}}


def candidate(asked: Asked, parts: list[Any], finish: str = "STOP", **more: Any) -> Answer:
    body = {
        "candidates": [
            {"content": {"parts": parts, "role": "model"}, "finishReason": finish, "index": 0, **more}
        ],
        **_footer(asked),
    }
    return Answer.of_json(body)


def _footer(asked: Asked) -> dict[str, Any]:
    inputs = 1120 * len(asked.images) + 300
    return {
        "usageMetadata": {
            "promptTokenCount": inputs,
            "candidatesTokenCount": 1120,
            "thoughtsTokenCount": 80,
            "totalTokenCount": inputs + 1200,
            "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1120}],
            "trafficType": "ON_DEMAND",
        },
        "modelVersion": f"{asked.model}-001",
        "responseId": "r-1",
        "modelStatus": {"modelStage": "STABLE"},
        "aFieldOfTomorrow": {"x": 1},
    }


def error(status: int, word: str, message: str, *details: dict[str, Any], **headers: str) -> Answer:
    body = {"error": {"code": status, "message": message, "status": word, "details": list(details)}}
    return Answer.of_json(body, status, {name.replace("_", "-"): text for name, text in headers.items()})


def _blocked(asked: Asked, reason: str) -> Answer:
    reason, _, category = reason.partition("/")
    ratings = [{"category": "HARM_CATEGORY_HARASSMENT", "probability": "LOW"}]
    if category:
        ratings.append({"category": category, "probability": "HIGH", "blocked": True})  # type: ignore[dict-item]
    return Answer.of_json(
        {"promptFeedback": {"blockReason": reason, "safetyRatings": ratings}, **_footer(asked)}
    )


def _finished(asked: Asked, reason: str) -> Answer:
    return Answer.of_json(
        {
            "candidates": [{"finishReason": reason, "finishMessage": "SECRET-MODEL-WORDS", "index": 0}],
            **_footer(asked),
        }
    )


def _info(kind: str, **fields: Any) -> dict[str, Any]:
    return {"@type": f"type.googleapis.com/google.rpc.{kind}", **fields}


def _key_invalid(_: Asked, __: str) -> Answer:
    reason = _info("ErrorInfo", reason="API_KEY_INVALID", domain="googleapis.com")
    return error(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", reason)


def _quota(_: Asked, delay: str) -> Answer:
    details = [_info("QuotaFailure", violations=[]), _info("RetryInfo", retryDelay=delay)] if delay else []
    return error(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota SECRET-PROJECT.", *details)


def _cut(asked: Asked, _: str) -> Answer:
    whole = candidate(asked, [image_part(draw(asked))])
    return Answer(whole.status, whole.body, whole.headers, sent=len(whole.body) // 2)


def _ok(asked: Asked, kind: str) -> Answer:
    return candidate(asked, [{"text": "Here is"}, image_part(draw(asked, noise=kind == "noise"))])


def _thoughts(asked: Asked, _: str) -> Answer:
    draft = image_part(b"a draft, not a picture") | {"thought": True}
    return candidate(asked, [{"text": "hm", "thought": True}, draft, image_part(draw(asked))])


def _bad_base64(asked: Asked, _: str) -> Answer:
    return candidate(asked, [{"inlineData": {"mimeType": "image/png", "data": "###"}}])


def _server_error(status: int, word: str) -> Callable[[Asked, str], Answer]:
    def answer(_: Asked, wait: str) -> Answer:
        return error(status, word, "SECRET-SERVER-WORDS", **({"retry_after": wait} if wait else {}))

    return answer


HTML = b"<html><body>SECRET-PROXY-PAGE</body></html>"
WORDS = [{"text": "SECRET-MODEL-WORDS I would rather not."}]

MODES: dict[str, Callable[[Asked, str], Answer]] = {
    "ok": _ok,
    "thoughts": _thoughts,
    "text": lambda asked, _: candidate(asked, list(WORDS)),
    "no-image": lambda asked, _: candidate(asked, list(WORDS), "NO_IMAGE"),
    "no-parts": lambda asked, _: candidate(asked, []),
    "file": lambda asked, _: candidate(
        asked, [{"fileData": {"fileUri": "gs://b/p", "mimeType": "image/png"}}]
    ),
    "finish": _finished,
    "block": _blocked,
    "empty": lambda _, __: Answer(200, b""),
    "no-candidates": lambda asked, _: Answer.of_json(_footer(asked)),
    "bad-json": lambda asked, _: Answer(200, candidate(asked, []).body[:-9]),
    "json-list": lambda _, __: Answer.of_json([1, 2]),
    "deep-json": lambda _, __: Answer(200, b"[" * 100_000),
    "odd-types": lambda _, __: Answer.of_json({"candidates": {"content": 7}}),
    "html": lambda _, __: Answer(200, HTML, {"content-type": "text/html"}),
    "bad-base64": _bad_base64,
    "broken-picture": lambda asked, _: candidate(asked, [image_part(draw(asked)[:200])]),
    "no-picture": lambda asked, _: candidate(asked, [image_part(b"GIF89a, says the file")]),
    "half": _cut,
    "drop": lambda _, __: Answer(sent=-1),
    "half-503": lambda _, __: Answer(503, b'{"error": {}}', sent=5),
    "204": lambda _, __: Answer(204),
    "302": lambda _, __: Answer(302, b"", {"location": "/v1/models/elsewhere:generateContent"}),
    "400": lambda _, __: error(400, "INVALID_ARGUMENT", "SECRET-SERVER-WORDS"),
    "400-key": _key_invalid,
    "401": _server_error(401, "UNAUTHENTICATED"),
    "403": _server_error(403, "PERMISSION_DENIED"),
    "404": _server_error(404, "NOT_FOUND"),
    "408": _server_error(408, "DEADLINE_EXCEEDED"),
    "429": _quota,
    "500": _server_error(500, "INTERNAL"),
    "502": lambda _, __: Answer(502, HTML, {"content-type": "text/html"}),
    "503": _server_error(503, "UNAVAILABLE"),
    "504": _server_error(504, "DEADLINE_EXCEEDED"),
    "error-list": lambda _, __: Answer(500, json.dumps([{"error": "SECRET-SERVER-WORDS"}]).encode()),
    "error-text": lambda _, __: Answer(500, json.dumps({"error": {"details": ["x", 7]}}).encode()),
}
"""A mode is one of these, and what follows a colon is its argument: 429:0.2s, finish:IMAGE_SAFETY, 503:1."""
