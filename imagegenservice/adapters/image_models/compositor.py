"""Draws offline with the products' own pixels. The default, so that a laptop needs no key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from pydantic import Field

from ...errors import ConfigurationError, DrawingFailed, PictureRefused
from ...model import Drawing, SourceType
from ...ports import Commission, Darkroom, ImageModel, Surroundings
from ...urls import AdapterUrl, Options


class CompositorOptions(Options):
    """compositor://?concurrency=2&cache_mb=64."""

    concurrency: int = Field(2, ge=1, le=64)
    cache_mb: int = Field(64, ge=0, le=4096)


class Compositor(ImageModel):
    """Cuts the products out of their pictures and sets them into a scene. Never alters a product."""

    name = "compositor"
    paid = False

    def __init__(self, options: CompositorOptions, darkroom: Darkroom) -> None:
        self.concurrency = options.concurrency
        self._darkroom = darkroom
        self._cache_bytes = options.cache_mb * 1024 * 1024

    @classmethod
    @asynccontextmanager
    async def open(cls, url: AdapterUrl, surroundings: Surroundings) -> AsyncIterator[Self]:
        if url.host or url.path:
            raise ConfigurationError(f"{url.text}: write compositor://, options apart")
        options = url.options(CompositorOptions)
        surroundings.darkroom.prepare()
        yield cls(options, surroundings.darkroom)

    async def draw(self, commission: Commission) -> Drawing:
        background = commission.background
        source = SourceType.COMPOSITE_SYNTHETIC if background is None else SourceType.COMPOSITE_CAPTURE
        try:
            picture = await self._darkroom.compose(
                commission.brief,
                commission.references,
                background,
                source,
                commission.progress,
                cache_bytes=self._cache_bytes,
            )
        except PictureRefused:
            raise DrawingFailed("The background cannot be read.", reason="BACKGROUND_UNREADABLE") from None
        return Drawing(picture, source)
