"""GEMINI_API_KEY_SECRET and its like: one text says where a secret is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ...errors import ConfigurationError
from ...ports import Secret
from .file import FileSecret


@asynccontextmanager
async def from_setting(text: str) -> AsyncIterator[Secret]:
    """
    A mounted file for /path or file:///path, Secret Manager for projects/….

    Nothing is read yet. Raises ConfigurationError for anything else, without quoting it: it may be the
    secret itself.
    """
    if text.startswith("projects/"):
        # Imported only where it is chosen: it brings a client library along.
        async with import_module(f"{__package__}.secret_manager").SecretManagerSecret(text) as secret:
            yield secret
    else:
        yield FileSecret(_path(text))


def _path(text: str) -> Path:
    parts = urlsplit(text)
    path = unquote(parts.path) if parts.scheme == "file" and not parts.netloc else text
    if not path.startswith("/"):
        raise ConfigurationError("a secret is kept in /path, file:///path or projects/P/secrets/S")
    return Path(path)
