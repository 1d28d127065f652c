"""Work on pixels, off the event loop, in a bounded pool of threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import ParamSpec, TypeVar

import cv2

from .errors import PictureRefused
from .imaging import decode, encode
from .model import Picture, Pixels, SourceType
from .ports import Darkroom

P = ParamSpec("P")
R = TypeVar("R")


class CpuDarkroom(Darkroom):
    """A pool of *workers* threads: the codecs, NumPy and OpenCV let go of the interpreter while they work."""

    def __init__(self, workers: int, limits: decode.Limits, form: encode.Format = "jpeg") -> None:
        self.limits = limits
        self.form = form
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="darkroom")

    async def run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._pool, partial(work, *args, **kwargs))

    async def decode(self, data: bytes, *, max_side: int = 0) -> Pixels:
        try:
            return await self.run(decode.decode, data, self.limits, max_side)
        except decode.Undecodable as exc:
            raise PictureRefused(str(exc), reason=exc.reason) from exc

    async def encode(self, pixels: Pixels, *, source_type: SourceType | None, quality: int = 0) -> Picture:
        source = str(source_type) if source_type else ""
        data = await self.run(encode.encode, pixels, self.form, quality or 92, source)
        return Picture(data, encode.MEDIA_TYPES[self.form], pixels.shape[1], pixels.shape[0])

    def close(self) -> None:
        """Let the threads go; work that has begun is finished."""
        self._pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def open_darkroom(workers: int, limits: decode.Limits, form: encode.Format = "jpeg") -> Iterator[CpuDarkroom]:
    """Open the pool for the time of the block."""
    # Each picture is one task of the pool; OpenCV's own threads on top would only fight over the processors.
    cv2.setNumThreads(1)
    darkroom = CpuDarkroom(workers, limits, form)
    try:
        yield darkroom
    finally:
        darkroom.close()
