"""Which keys an object storage takes: one grammar, so that a key is safe as a path and as a name in any."""

from __future__ import annotations

import re

from ...errors import KeyNotFound

_PART = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_KEY = re.compile(rf"{_PART}(/{_PART})*")
LONGEST_KEY = 512


def is_key(text: str) -> bool:
    """Parts of letters, digits, dot, hyphen and underscore, none of which begins with a dot or is empty."""
    return len(text) <= LONGEST_KEY and _KEY.fullmatch(text) is not None


def for_writing(key: str) -> str:
    """*key* itself. Raises ValueError: the core makes keys, so a bad one is a mistake in it."""
    if not is_key(key):
        raise ValueError(f"not an object key: {key[:80]!r}")
    return key


def for_reading(key: str) -> str:
    """*key* itself. Raises KeyNotFound: a caller may ask for anything, and nothing is stored under this."""
    if not is_key(key):
        raise KeyNotFound
    return key
