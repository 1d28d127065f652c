"""The formats in which pictures leave the house; read by those that never touch a pixel."""

from __future__ import annotations

from typing import Final, Literal

Format = Literal["jpeg", "png", "webp"]
MEDIA_TYPES: Final[dict[Format, str]] = {"jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp"}
SUFFIXES: Final = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp"}
