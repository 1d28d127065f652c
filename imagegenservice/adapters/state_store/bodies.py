"""What every state store does with a body and an expiry time, so that no two disagree."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, cast

LARGEST_BODY = 900_000
"""Bytes. Firestore takes 1 MiB for a whole document, so that the rest of it always fits."""


def written(body: dict[str, Any]) -> str:
    """*body* as compact JSON. Raises ValueError (TypeError) for what is not JSON, or is too large."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    if (size := len(text.encode())) > LARGEST_BODY:
        raise ValueError(f"a body of {size} bytes; at most {LARGEST_BODY} can be kept")
    return text


def read(text: str) -> dict[str, Any]:
    """The body that was written."""
    return cast("dict[str, Any]", json.loads(text))


def microseconds(moment: datetime) -> int:
    """Since 1970, exactly: a float would lose the last digit."""
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
