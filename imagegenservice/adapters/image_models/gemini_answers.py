"""What became of one call to Gemini, in this service's words: every answer that the API gives, mapped."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from google.genai.errors import APIError
from google.genai.types import Candidate, GenerateContentResponse, SafetyRating

from ...errors import ContentBlocked, DrawingFailed, EngineAway


@dataclass(frozen=True, slots=True)
class Answered:
    """The model answered, so it is billed: with a picture, or with a fault that another try would repeat."""

    detail: str
    picture: bytes = b""
    fault: DrawingFailed | None = None
    model_version: str = ""
    usage: Mapping[str, int] = field(default_factory=dict)

    def take(self) -> bytes:
        """The picture. Raises the fault if there is one."""
        if self.fault is not None:
            raise self.fault
        return self.picture


@dataclass(frozen=True, slots=True)
class Declined:
    """The request was not done, and is not billed. `wait` is the server's own wish, in seconds."""

    detail: str
    fault: DrawingFailed
    again: bool = False
    wait: float | None = None
    key_rejected: bool = False


def malformed() -> Answered:
    """An answer that came whole and cannot be read."""
    return Answered("malformed", fault=_malformed())


# Candidate.finishReason and promptFeedback.blockReason of the API's reference that stand for a refusal.
_REFUSALS: Final = frozenset(
    {
        "SAFETY",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "RECITATION",
        "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
        "MODEL_ARMOR",
        "JAILBREAK",
        "ESCALATION",
    }
)
_USAGE: Final = {
    "input_tokens": "prompt_token_count",
    "output_tokens": "candidates_token_count",
    "thought_tokens": "thoughts_token_count",
    "cached_tokens": "cached_content_token_count",
    "total_tokens": "total_token_count",
}


def read_answer(response: GenerateContentResponse) -> Answered:
    """Map an answer with status 200."""
    feedback = response.prompt_feedback
    candidate = response.candidates[0] if response.candidates else None
    picture = b""
    fault: DrawingFailed | None
    if feedback is not None and feedback.block_reason is not None:
        detail = _word(feedback.block_reason)
        fault = _blocked(detail, feedback.safety_ratings)
    elif candidate is None:
        detail, fault = "EMPTY", _no_picture("NO_IMAGE")
    else:
        detail = _word(candidate.finish_reason)
        picture, fault = _read_candidate(candidate, detail)
    return Answered(detail, picture, fault, response.model_version or "", _usage(response))


def _read_candidate(candidate: Candidate, finish: str) -> tuple[bytes, DrawingFailed | None]:
    if finish in _REFUSALS:
        return b"", _blocked(finish, candidate.safety_ratings)
    picture = next(_pictures(candidate), b"")
    if picture:
        return picture, None
    if finish == "MALFORMED_RESPONSE":
        return b"", _malformed()
    return b"", _no_picture("TEXT_ONLY" if _has_text(candidate) and finish == "STOP" else "NO_IMAGE")


def _pictures(candidate: Candidate) -> Iterator[bytes]:
    for part in (candidate.content.parts if candidate.content else None) or ():
        blob = part.inline_data
        # A part of the model's thoughts may hold a draft.
        if blob and blob.data and not part.thought and (blob.mime_type or "").startswith("image/"):
            yield blob.data


def _has_text(candidate: Candidate) -> bool:
    parts = (candidate.content.parts if candidate.content else None) or ()
    return any(part.text and not part.thought for part in parts)


def _blocked(reason: str, ratings: list[SafetyRating] | None) -> ContentBlocked:
    category = next((_word(rating.category) for rating in ratings or () if rating.blocked), reason)
    return ContentBlocked(category.removeprefix("HARM_CATEGORY_"))


def _no_picture(reason: str) -> DrawingFailed:
    return DrawingFailed("The image model answered without a picture.", reason=reason)


def _malformed() -> DrawingFailed:
    return DrawingFailed("The image model's answer is malformed.", reason="MALFORMED_ANSWER")


def _usage(response: GenerateContentResponse) -> dict[str, int]:
    counts = response.usage_metadata
    named = ((name, getattr(counts, attribute, None)) for name, attribute in _USAGE.items())
    return {name: count for name, count in named if isinstance(count, int)}


def _word(value: object) -> str:
    """A server's enum value as a word that is fit for a log and a metric label."""
    word = str(getattr(value, "value", None) or "NONE")
    return word if re.fullmatch(r"[A-Z][A-Z0-9_]{0,63}", word) else "OTHER"


_RETRYABLE: Final = frozenset({429, 500, 502, 503, 504})
_REJECTIONS: Final = {
    401: ("The image model's key was rejected.", "KEY_REJECTED"),
    403: ("The image model may not be used with this key or account.", "PERMISSION_DENIED"),
    404: ("The image model is not known to its provider.", "MODEL_NOT_FOUND"),
}


def read_error(error: APIError) -> Answered | Declined:
    """Map an answer with any other status than 200."""
    headers = getattr(error.response, "headers", None) or {}
    if 200 <= error.code < 300:
        return Answered(f"HTTP {error.code}", fault=_no_picture("NO_IMAGE"))
    reasons = [str(detail.get("reason", "")) for detail in _details(error)]
    bad_key = error.code == 401 or (error.code == 400 and any(r.startswith("API_KEY") for r in reasons))
    return declined_with(401 if bad_key else error.code, _wait(error, str(headers.get("retry-after", ""))))


def declined_with(status: int, wait: float | None = None) -> Declined:
    """Map the status of an HTTP error alone."""
    fault = _fault(status)
    fault.retry_after = wait
    return Declined(f"HTTP {status}", fault, status in _RETRYABLE, wait, key_rejected=status in {401, 403})


def _fault(status: int) -> DrawingFailed:
    if status == 429:
        return EngineAway("The image model's quota is used up for now.", reason="QUOTA_EXHAUSTED")
    if status in {408, 504}:
        return EngineAway("The image model took too long.", reason="ENGINE_TIMED_OUT")
    if status >= 500:
        return EngineAway("The image model is not available.", reason="ENGINE_UNAVAILABLE")
    if status < 400:
        return DrawingFailed("The image model's address leads elsewhere.", reason="REDIRECT_REFUSED")
    message, reason = _REJECTIONS.get(
        status, ("The image model did not accept the request.", "REQUEST_REJECTED")
    )
    return DrawingFailed(message, reason=reason)


def _wait(error: APIError, header: str) -> float | None:
    """google.rpc.RetryInfo's retryDelay ("38.6s") or the Retry-After header in seconds, the longer one."""
    delays = [str(detail.get("retryDelay", "")) for detail in _details(error)]
    wishes = [re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)s?", text) for text in (*delays, header)]
    return max((float(wish[1]) for wish in wishes if wish), default=None)


def _details(error: APIError) -> list[Mapping[str, Any]]:
    """google.rpc.Status.details, where the body is one; a proxy's page is none."""
    body = error.details.get("error") if isinstance(error.details, dict) else None
    details = body.get("details") if isinstance(body, dict) else None
    return [detail for detail in details if isinstance(detail, dict)] if isinstance(details, list) else []
