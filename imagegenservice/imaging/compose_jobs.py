"""The children that cut products out and compose them; they remember their latest cut-outs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import cv2

from ..styles import sheet_for
from .compose import Subject, compose
from .confine import allow
from .cutout import cut_out
from .cutout_cache import CutoutCache, Packed, pack, unpack
from .decode import decode
from .encode import encode
from .headers import Limits, Undecodable
from .wire import Head
from .worker import Job, Note, serve

SIDE: Final = 1024
"""Pixels of a product's longer side that are looked at."""
_CUTTING: Final = 0.5
"""The share of the progress that cutting out takes."""
_ROOM: Final = 2.2
"""A product is at most so many times larger than its even share of the frame's side; more is waste."""


class Table:
    """What one child keeps from picture to picture."""

    def __init__(self) -> None:
        self._cutouts = CutoutCache()

    def compose(self, head: Head, buffers: Sequence[bytes], note: Note) -> tuple[Head, bytes]:
        """
        A cart's picture, encoded. Notes say which picture is being read, and the share that is done.

        An item's picture that cannot be read leaves a card with its name. Raises Undecodable for the
        background.
        """

        def report(share: float) -> None:
            note({"share": _CUTTING + (1 - _CUTTING) * share})

        items = head["items"]
        longest = max(64, round(_ROOM * max(head["width"], head["height"]) / len(items) ** 0.5))
        subjects = []
        for number, item in enumerate(items):
            packed = self._cutout(number, item, head, buffers, note)
            cutout = None if packed is None else unpack(packed, longest)
            subjects.append(Subject(item["name"], item["quantity"], cutout))
            note({"share": _CUTTING * (number + 1) / len(items)})
        background = None
        if head["background"] is not None:
            note({"reading": "background"})
            allow(head["picture_seconds"], head["megabytes"])
            background = decode(buffers[head["background"]], Limits(*head["limits"]), 2 * SIDE)[..., :3]
        note({"share": _CUTTING})
        allow(head["cpu_seconds"], head["megabytes"])
        sheet = sheet_for(head["style"])
        pixels = compose(subjects, background, sheet, head["width"], head["height"], head["seed"], report)
        return {}, encode(pixels, head["form"], head["quality"], head["source"])

    def _cutout(
        self, number: int, item: dict[str, Any], head: Head, buffers: Sequence[bytes], note: Note
    ) -> Packed | None:
        if item["buffer"] is None:
            return None
        packed = self._cutouts.get(item["key"])
        if packed is None:
            note({"reading": number})
            allow(head["picture_seconds"], head["megabytes"])
            try:
                pixels = decode(buffers[item["buffer"]], Limits(*head["limits"]), SIDE)
            except Undecodable:
                return None
            packed = pack(cut_out(pixels))
            self._cutouts.put(item["key"], packed, head["cache_bytes"])
        return packed


def table() -> Mapping[str, Job]:
    """The jobs of one child."""
    one: Callable[[Head, Sequence[bytes], Note], tuple[Head, bytes]] = Table().compose
    return {"compose": one}


if __name__ == "__main__":
    # Each picture is one task; OpenCV's own threads on top would only fight over the processors.
    cv2.setNumThreads(1)
    serve(table())
