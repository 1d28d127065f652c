"""What the tests of Gemini order with, and what none of its errors and logs may say."""

from __future__ import annotations

import io
from contextlib import AbstractAsyncContextManager
from dataclasses import replace

import pytest
from PIL import Image

from imagegenservice.adapters.image_models.gemini import Gemini
from imagegenservice.adapters.secrets.environment import FixedSecret
from imagegenservice.errors import (
    DrawingFailed,
)
from imagegenservice.ports import Secret, Surroundings
from imagegenservice.urls import AdapterUrl

KEY = "the-right-key"
BLUE, RED = (0, 0, 255), (255, 0, 0)


def picture(colour: str, size: tuple[int, int] = (60, 40), mode: str = "RGB", form: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, colour).save(out, form)
    return out.getvalue()


class Opener:
    def __init__(self, surroundings: Surroundings) -> None:
        self.surroundings = surroundings

    def __call__(self, text: str, key: Secret | None = None) -> AbstractAsyncContextManager[Gemini]:
        return Gemini.open(
            AdapterUrl.parse(text), replace(self.surroundings, gemini_key=key or FixedSecret(KEY))
        )


def assert_discreet(error: DrawingFailed | None, caplog: pytest.LogCaptureFixture) -> None:
    """No key, no token, nothing of the server's or the model's own words, nothing of the prompt."""
    ours = [record.getMessage() + repr(record.__dict__) for record in caplog.records]
    everything = f"{error}{error.public if error else ''}{ours}"
    for secret in (KEY, "the-right-token", "SECRET-", "Blue mug", "BEGIN PRIVATE KEY"):
        assert secret not in everything
    if error is not None:
        assert error.__cause__ is None
        assert error.__context__ is None or error.__suppress_context__
