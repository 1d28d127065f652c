"""Pictures are read, composed and written in child processes; this process only ever reads their headers."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from .budget import Budget
from .children import ChildDied, Crew
from .errors import DrawingFailed, EngineAway, PictureRefused
from .imaging.headers import Header, Limits, Undecodable, inspect
from .imaging.media import MEDIA_TYPES, Format
from .imaging.wire import Head
from .model import Brief, Picture, Reference, SourceType
from .ports import Darkroom

log = logging.getLogger(__name__)

BYTES_A_PIXEL: Final = 16
"""What the hungriest codec, libwebp, holds for a pixel while it decodes: measured, docs/memory.md."""
QUALITY: Final = 92

_MB: Final = 1024 * 1024
_LEAST: Final = 256 * _MB
"""The memory for work, where the limit of pixels is a low one."""
_ANSWER: Final = Limits(pixels=25_000_000, side=16_384, bytes=48 * _MB)
"""Not the limits of uploads: whatever is set there, a picture that is paid for can be read. 4K: 17 MP."""
_ANY: Final = Limits(pixels=2**40, side=2**31, bytes=256 * _MB)

_CPU_SECONDS: Final = 5
"""CPU time for reading one picture. 25 MP take about 1 s."""
_WALL_SECONDS: Final = 30.0
_COMPOSING_SECONDS: Final = 100
_PATIENCE: Final = 4.0
"""Seconds for which an upload waits for its turn: with its CPU time less than a call may take, 10 s."""
_WAITING: Final = 16
_SMALL_PIXELS, _SMALL_BYTES = 4_000_000, 2 * _MB
"""Larger pictures of products are made small before they are composed."""
_PRODUCT_SIDE: Final = 1024
_TRIES: Final = 4

_COMPOSING: Final = 96 * _MB
"""What composing holds whatever it composes, and for a pixel of the frame: measured, docs/memory.md."""
_COMPOSING_A_PIXEL: Final = 110


class ChildrensDarkroom(Darkroom):
    """
    Two crews: quick children read and write pictures, the others compose.

    *large_slots* pictures of the pixel limit, or more smaller ones, are worked on at once.
    """

    def __init__(self, workers: int, limits: Limits, form: Format, large_slots: int) -> None:
        self._limits = limits
        self._form = form
        self._memory = Budget(max(_LEAST, large_slots * BYTES_A_PIXEL * limits.pixels), _WAITING)
        # At least two, so that a picture that takes its time does not hold up the next one.
        self._quick = Crew("imagegenservice.imaging.quick_jobs", max(2, workers), _WAITING)
        self._composing = Crew("imagegenservice.imaging.compose_jobs", workers, _WAITING)

    def warm(self) -> None:
        """Start a child for uploads; it is ready some 0.2 s later."""
        self._quick.warm()

    def prepare(self) -> None:
        self._composing.warm()

    async def develop(self, data: bytes, *, max_side: int) -> Picture:
        head = self._develop(max_side, self._form, QUALITY)
        return await self._read(head, data, self._limits, patience=_PATIENCE)

    async def reference(self, data: bytes, *, max_side: int, quality: int) -> Picture:
        return await self._read(self._develop(max_side, "jpeg", quality, opaque=True), data, self._limits)

    async def fill(self, data: bytes, width: int, height: int, source_type: SourceType) -> Picture:
        head = {"job": "fill", "width": width, "height": height, "form": self._form, "quality": QUALITY}
        return await self._read({**head, "source": str(source_type)}, data, _ANSWER)

    def _develop(self, max_side: int, form: Format, quality: int, *, opaque: bool = False) -> Head:
        return {"job": "develop", "max_side": max_side, "form": form, "quality": quality, "opaque": opaque}

    async def _read(self, head: Head, data: bytes, limits: Limits, patience: float | None = None) -> Picture:
        need = BYTES_A_PIXEL * _inspected(data, limits).pixels + 16 * _MB
        bounds = {"limits": _plain(limits), "cpu_seconds": _CPU_SECONDS, "megabytes": 64 + need // _MB}
        async with self._memory.share(need, patience):
            for again in (True, False):
                try:
                    answer, picture = await self._quick.ask(
                        {**head, **bounds}, [data], seconds=_WALL_SECONDS, patience=patience
                    )
                    return _picture(answer, picture, head["form"])
                except ChildDied as died:
                    # Only the picture makes it slow; for another death there are other causes, too.
                    log.warning("a child died over a picture", extra={"cause": str(died), "slow": died.slow})
                    if died.slow or not again:
                        break
        raise PictureRefused("the picture is damaged and cannot be read", reason="IMAGE_UNREADABLE")

    async def compose(
        self,
        brief: Brief,
        references: Sequence[Reference],
        background: bytes | None,
        source_type: SourceType,
        progress: Callable[[float], None],
        *,
        cache_bytes: int,
    ) -> Picture:
        buffers: list[bytes] = []
        items = [await self._item(reference, buffers) for reference in references]
        head = {
            "job": "compose",
            "items": items,
            "background": None,
            "style": brief.style,
            "width": brief.width,
            "height": brief.height,
            "seed": brief.seed,
            "form": self._form,
            "quality": QUALITY,
            "source": str(source_type),
            "cache_bytes": cache_bytes,
            "limits": _plain(_ANY),
            "cpu_seconds": _COMPOSING_SECONDS,
            "picture_seconds": _CPU_SECONDS,
        }
        if background is not None:
            head["background"] = len(buffers)
            buffers.append(await self._small(background))
        need = _COMPOSING + _COMPOSING_A_PIXEL * brief.width * brief.height + sum(map(len, buffers))
        async with self._memory.share(need):
            room = 256 + (2 * need + cache_bytes) // _MB
            return await self._composed({**head, "megabytes": room}, buffers, progress)

    async def _item(self, reference: Reference, buffers: list[bytes]) -> Head:
        item = {"name": reference.item.product.name, "quantity": reference.item.quantity, "buffer": None}
        if reference.data is None:
            return item
        try:
            small = await self._small(reference.data)
        except PictureRefused as exc:
            log.warning("a product's picture cannot be read", extra={"cause": exc.reason})
            return item
        buffers.append(small)
        key = hashlib.sha256(reference.data).hexdigest()
        return {**item, "buffer": len(buffers) - 1, "key": key}

    async def _small(self, data: bytes) -> bytes:
        """The picture itself, or a smaller one where it is large. Raises PictureRefused."""
        header = _inspected(data, self._limits)
        if header.pixels <= _SMALL_PIXELS and len(data) <= _SMALL_BYTES:
            return data
        return (await self._read(self._develop(2 * _PRODUCT_SIDE, "png", 0), data, self._limits)).data

    async def _composed(
        self, head: Head, buffers: Sequence[bytes], progress: Callable[[float], None]
    ) -> Picture:
        reading: int | str | None = None

        def heard(note: Head) -> None:
            nonlocal reading
            reading = note.get("reading")
            if "share" in note:
                progress(note["share"])

        for _ in range(_TRIES):
            keys = [item["key"] for item in head["items"] if item["buffer"] is not None]
            try:
                answer, picture = await self._composing.ask(head, buffers, heard, keys=keys)
                return _picture(answer, picture, head["form"])
            except ChildDied as died:
                log.warning("a child died over a drawing", extra={"cause": str(died), "reading": reading})
                if isinstance(reading, int):
                    head["items"][reading]["buffer"] = None  # a card with its name stands in for it
                elif reading == "background":
                    break
                elif died.slow:
                    raise EngineAway("The drawing took too long.", reason="ENGINE_TIMED_OUT") from died
                reading = None
        if reading == "background":
            raise PictureRefused("the picture is damaged and cannot be read", reason="IMAGE_UNREADABLE")
        raise EngineAway("The drawing was interrupted too often.")

    @property
    def pids(self) -> list[int]:
        """The children that run."""
        return self._quick.pids + self._composing.pids

    def close(self) -> None:
        """End the children; what they work on fails."""
        self._quick.close()
        self._composing.close()


def _plain(limits: Limits) -> list[int]:
    return [limits.pixels, limits.side, limits.bytes]


def _inspected(data: bytes, limits: Limits) -> Header:
    try:
        return inspect(data, limits)
    except Undecodable as exc:
        raise PictureRefused(str(exc), reason=exc.reason) from exc


def _picture(answer: Head, data: bytes, form: Format) -> Picture:
    """What a child made. It has read hostile bytes, so its answer is looked at like any other picture."""
    if "refused" in answer:
        raise PictureRefused(str(answer["message"]), reason=str(answer["refused"]))
    try:
        header = inspect(data, _ANY)
    except Undecodable as exc:
        raise DrawingFailed("The picture could not be made.") from exc
    if header.format.lower() != form:
        raise DrawingFailed("The picture could not be made.")
    return Picture(data, MEDIA_TYPES[form], header.width, header.height)


@contextmanager
def open_darkroom(
    workers: int, limits: Limits, form: Format = "jpeg", large_slots: int = 1
) -> Iterator[ChildrensDarkroom]:
    """Open the darkroom for the time of the block."""
    darkroom = ChildrensDarkroom(workers, limits, form, large_slots)
    darkroom.warm()
    try:
        yield darkroom
    finally:
        darkroom.close()
