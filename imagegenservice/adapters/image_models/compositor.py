"""Draws offline with the products' own pixels. The default, so that a laptop needs no key."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, Self

from pydantic import Field

from ... import styles
from ...errors import ConfigurationError, DrawingFailed, PictureRefused
from ...imaging.compose import Subject, compose
from ...imaging.cutout import Cutout, cut_out
from ...model import Brief, Drawing, Pixels, Reference, SourceType
from ...ports import Commission, Darkroom, ImageModel, Surroundings
from ...urls import AdapterUrl, Options

_MAX_SIDE: Final = 1024
_CUTTING: Final = 0.5
"""The share of the progress that cutting out takes."""


class CompositorOptions(Options):
    """compositor://?concurrency=2&cache_mb=96."""

    concurrency: int = Field(2, ge=1, le=64)
    cache_mb: int = Field(96, ge=0, le=4096)


class Compositor(ImageModel):
    """Cuts the products out of their pictures and sets them into a scene. Never alters a product."""

    name = "compositor"
    paid = False

    def __init__(self, options: CompositorOptions, darkroom: Darkroom) -> None:
        self.concurrency = options.concurrency
        self._darkroom = darkroom
        self._cutouts = CutoutCache(options.cache_mb * 1024 * 1024)

    @classmethod
    @asynccontextmanager
    async def open(cls, url: AdapterUrl, surroundings: Surroundings) -> AsyncIterator[Self]:
        if url.host or url.path:
            raise ConfigurationError(f"{url.text}: write compositor://, options apart")
        yield cls(url.options(CompositorOptions), surroundings.darkroom)

    async def draw(self, commission: Commission) -> Drawing:
        brief = commission.brief
        subjects = []
        for count, reference in enumerate(commission.references, start=1):
            subjects.append(await self._subject(reference))
            commission.progress(_CUTTING * count / len(commission.references))
        background = await self._background(commission.background)
        pixels = await self._darkroom.run(_compose, subjects, background, brief, commission.progress)
        source = SourceType.COMPOSITE_SYNTHETIC if background is None else SourceType.COMPOSITE_CAPTURE
        return Drawing(pixels, source)

    async def _background(self, data: bytes | None) -> Pixels | None:
        if data is None:
            return None
        try:
            return (await self._darkroom.decode(data, max_side=2 * _MAX_SIDE))[..., :3]
        except PictureRefused:
            raise DrawingFailed("The background cannot be read.", reason="BACKGROUND_UNREADABLE") from None

    async def _subject(self, reference: Reference) -> Subject:
        name, quantity = reference.item.product.name, reference.item.quantity
        if reference.data is None:
            return Subject(name, quantity, None)
        key = hashlib.sha256(reference.data).digest()
        cutout = self._cutouts.get(key)
        if cutout is None:
            try:
                pixels = await self._darkroom.decode(reference.data, max_side=_MAX_SIDE)
            except PictureRefused:
                return Subject(name, quantity, None)
            cutout = await self._darkroom.run(cut_out, pixels)
            self._cutouts.put(key, cutout)
        return Subject(name, quantity, cutout)


def _compose(
    subjects: Sequence[Subject], background: Pixels | None, brief: Brief, progress: Callable[[float], None]
) -> Pixels:
    def report(share: float) -> None:
        progress(_CUTTING + (1 - _CUTTING) * share)

    sheet = styles.sheet_for(brief.style)
    return compose(subjects, background, sheet, brief.width, brief.height, brief.seed, report)


class CutoutCache:
    """The latest cut-outs, by the hash of their picture's bytes; bounded in bytes."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: OrderedDict[bytes, Cutout] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: bytes) -> Cutout | None:
        """The cut-out of a picture that was cut before."""
        with self._lock:
            cutout = self._kept.get(key)
            if cutout is not None:
                self._kept.move_to_end(key)
            return cutout

    def put(self, key: bytes, cutout: Cutout) -> None:
        """Keep a cut-out, and let older ones go for it."""
        with self._lock:
            if key in self._kept or _bytes(cutout) > self._max_bytes:
                return
            self._kept[key] = cutout
            self._bytes += _bytes(cutout)
            while self._bytes > self._max_bytes:
                self._bytes -= _bytes(self._kept.popitem(last=False)[1])


def _bytes(cutout: Cutout) -> int:
    arrays = (cutout.colour, cutout.alpha, cutout.through, cutout.glow, cutout.shadow)
    return sum(array.nbytes for array in arrays)
